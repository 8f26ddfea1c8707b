alter table t add column a int;
