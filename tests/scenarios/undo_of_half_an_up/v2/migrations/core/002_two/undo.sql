drop index concurrently two_b;
drop index concurrently two_a;
drop table three;
drop table two;
