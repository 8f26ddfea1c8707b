-- Version 1.0 is gone: nobody reads or writes the number any more.
drop trigger consumers_sync_state on consumers;
drop function consumers_sync_state();
alter table consumers alter column state set default 'active';
-- This looks at every row while nobody else can. On a table of millions, let a migration before this one add
-- `check (state is not null) not valid` and another validate it; then Postgres takes that for proof and looks at none.
alter table consumers alter column state set not null;
alter table consumers drop column status;
