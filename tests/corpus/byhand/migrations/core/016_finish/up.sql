--! prepared-select-star?
alter table billing.customer add column full_name text;
