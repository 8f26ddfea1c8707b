create table t (id int primary key, a int);
insert into t (id) values (1), (2);
create table brake (seconds int);
insert into brake values (300);
