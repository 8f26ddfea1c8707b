alter table billing.customer alter column full_name set not null;
alter table billing.customer drop column name;
