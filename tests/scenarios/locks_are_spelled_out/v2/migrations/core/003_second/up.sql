alter table orders
    add constraint positive check (id > 0);
insert into orders select id from users;
