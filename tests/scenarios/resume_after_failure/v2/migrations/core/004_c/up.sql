create table c (id int);
insert into log (line) values ('c');
