--! replace-view
create or replace view billing.open_invoice as select *, 1 as extra from billing.invoice where state <> 'paid';
--! drop-view
drop view billing.open_invoice;
create view billing.late_invoice as select * from billing.invoice where due < current_date;
--! locks-with-work refresh-not-concurrent several-locks?
refresh materialized view billing.turnover;
--! locks-with-work
refresh materialized view concurrently billing.turnover;
