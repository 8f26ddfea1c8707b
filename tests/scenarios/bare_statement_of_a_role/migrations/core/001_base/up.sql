create role builder_of_indexes;
grant usage, create on schema public to builder_of_indexes;
create table t (a int);
alter table t owner to builder_of_indexes;
