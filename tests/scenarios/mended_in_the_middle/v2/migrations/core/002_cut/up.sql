create index concurrently t_a on t (a);
alter table t add column b integr;
