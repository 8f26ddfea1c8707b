create schema side;
set search_path = side, public;
create table users (id int);
reset search_path;
drop table users;
