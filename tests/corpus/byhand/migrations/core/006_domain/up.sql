--! constrain-domain
alter domain billing.cents add constraint below check (value < 1000000000000);
--! constrain-domain
alter domain billing.cents set not null;
--! drop-constraint
alter domain billing.cents drop constraint cents_check;
