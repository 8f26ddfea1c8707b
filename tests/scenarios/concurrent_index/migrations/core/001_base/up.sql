create table t (id int primary key, a int);
insert into t select n, n % 7 from generate_series(1, 1000) n;
