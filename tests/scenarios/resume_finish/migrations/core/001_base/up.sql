create table a (id int, old int);
create table b (id int, old int);
