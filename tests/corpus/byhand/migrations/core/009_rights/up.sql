grant insert on billing.invoice to billing_reader;
--! revoke
revoke select on billing.customer from billing_reader;
--! change-owner
alter table billing.customer owner to billing_reader;
--! alter-role
alter role billing_reader nologin;
--! revoke
alter default privileges in schema billing revoke select on tables from billing_reader;
--! drop-owned
drop owned by billing_reader;
--! drop-role
drop role billing_reader;
