alter table t add b int;
