drop index concurrently t_a;
alter table t drop column nope;
