create schema other;
set search_path = other;
create table two (id int);
create index two_id on two (id);
