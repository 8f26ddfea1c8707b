set search_path to public;
update people set first_name = split_part(name, ' ', 1) where first_name is null;
update people set last_name = split_part(name, ' ', 2) where last_name is null;
analyze people;
insert into log select 'split ' || id from people on conflict do nothing;
