--! alter-sequence
alter sequence billing.number restart with 1;
--! alter-sequence
alter sequence billing.number as integer;
--! change-identity
alter table billing.customer alter column id drop identity;
--! drop-sequence several-locks?
drop sequence billing.number;
