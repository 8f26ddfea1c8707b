create table a (id int);
insert into log (line) values ('a');
