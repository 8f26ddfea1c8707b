create table b (id int);
insert into log (line) values ('b');
create table b2 (id no_such_type);
