drop view adults;
create view adults as select id, name from people where age >= 18;
drop trigger people_split_name on people;
drop function split_name();
alter table people drop constraint last_name_set, drop column first_name, drop column last_name;
delete from log where line like 'split %';
