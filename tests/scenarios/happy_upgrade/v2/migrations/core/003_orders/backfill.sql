insert into orders (customer, status)
select id, 'first' from customers
where not exists (select from orders where customer = customers.id);
