alter table old add column c int, add column d int;
create index old_a on old (a);
alter table old alter column a set not null;
create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger old_touched before update on old for each row execute function nothing();
create operator === (leftarg = int, rightarg = int, function = int4eq);
alter table old drop column d;
