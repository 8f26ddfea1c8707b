create table two (a int, b int);
create index concurrently two_a on two (a);
create index concurrently two_b on two (oops);
create table three ();
