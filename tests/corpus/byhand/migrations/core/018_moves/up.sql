--! set-schema
alter table billing.country set schema public;
--! rename-object
alter schema billing rename to accounting;
--! rename-object
alter type billing.state rename to invoice_state;
--! replication several-locks?
alter table billing.invoice replica identity full;
