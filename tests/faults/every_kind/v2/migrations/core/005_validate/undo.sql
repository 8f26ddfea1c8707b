alter table people drop constraint last_name_set;
alter table people add constraint last_name_set check (last_name is not null) not valid;
