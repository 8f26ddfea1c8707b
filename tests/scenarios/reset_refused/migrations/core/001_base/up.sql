create schema box;
create table box.a (id int primary key, at int);
create table box.b (id int references box.a);
create table p (at int) partition by range (at);
create table p_low partition of p for values from (0) to (10);
insert into box.a values (1, 1); insert into p values (1);
