alter table old add column c int, add column d int;
-- kmig:allow index-not-concurrent because the table is small
create index old_a on old (a);
-- kmig:allow set-not-null because no version writes NULL there
alter table old alter column a set not null;
create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
-- kmig:allow create-trigger because it returns the row as it is
create trigger old_touched before update on old for each row execute function nothing();
create operator === (leftarg = int, rightarg = int, function = int4eq);
alter table old drop column d;
