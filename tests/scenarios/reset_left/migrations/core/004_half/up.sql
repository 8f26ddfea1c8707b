create table half (a int);
insert into half values (0);
create unique index concurrently half_a on half ((1 / a));
create table never (a int);
