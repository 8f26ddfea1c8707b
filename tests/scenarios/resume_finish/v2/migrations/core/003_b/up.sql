alter table b add column new int;
