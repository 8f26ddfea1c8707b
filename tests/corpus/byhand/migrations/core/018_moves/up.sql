--! set-schema
alter table billing.country set schema public;
--! rename-schema
alter schema billing rename to accounting;
--! rename-type
alter type billing.state rename to invoice_state;
--! replica-identity
alter table billing.invoice replica identity full;
