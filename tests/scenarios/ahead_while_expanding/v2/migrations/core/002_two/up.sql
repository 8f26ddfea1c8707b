create table two (a int);
create index concurrently two_a on two (a);
create table three (a oops);
