alter table t add column new text;
alter table t drop column old;
