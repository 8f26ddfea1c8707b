alter table billing.customer drop column full_name;
