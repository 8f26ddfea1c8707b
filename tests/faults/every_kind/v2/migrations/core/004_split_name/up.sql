alter table people add column first_name text, add column last_name text;
alter table people add constraint last_name_set check (last_name is not null) not valid;
-- kmig:allow replace-view because it only adds a column
create or replace view adults as select id, name, first_name from people where age >= 18;
create function split_name() returns trigger language plpgsql as $$
begin
    new.last_name := coalesce(new.last_name, split_part(new.name, ' ', 2));
    return new;
end
$$;
-- kmig:allow create-trigger because it only copies
create trigger people_split_name before insert or update on people for each row execute function split_name();
