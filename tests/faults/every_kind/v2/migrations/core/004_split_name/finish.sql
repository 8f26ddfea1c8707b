drop view adults;
drop trigger people_split_name on people;
drop function split_name();
alter table people drop column name;
create view adults as select id, first_name, last_name from people where age >= 18;
comment on view adults is 'Names are in two columns';
