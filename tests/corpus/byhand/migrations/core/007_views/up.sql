--! replace-view
create or replace view billing.open_invoice as select *, 1 as extra from billing.invoice where state <> 'paid';
--! drop-view
drop view billing.open_invoice;
create view billing.late_invoice as select * from billing.invoice where due < current_date;
--! refresh-blocks
refresh materialized view billing.turnover;
refresh materialized view concurrently billing.turnover;
