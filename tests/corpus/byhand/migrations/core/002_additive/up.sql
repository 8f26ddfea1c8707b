--! prepared-select-star?
alter table billing.customer add column vat_id text;
--! prepared-select-star?
alter table billing.customer add column if not exists risk int default 0;
--! constraint-on-old-column? several-locks?
alter table billing.invoice add constraint due_after_2000 check (due > '2000-01-01') not valid;
create statistics billing.country_name (dependencies) on country, name from billing.customer;
alter table billing.customer alter column country set statistics 500;
alter table billing.customer set (fillfactor = 90);
analyze billing.customer;
comment on column billing.customer.vat_id is 'as printed; drop table customer; is only text here';
grant select (vat_id) on billing.customer to billing_reader;
create or replace function billing.net(total bigint) returns bigint language sql immutable as $$ select total * 100 / 119 $$;
