create table t (id int primary key, old text, ref int);
