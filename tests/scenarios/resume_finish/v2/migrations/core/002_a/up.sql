alter table a add column new int;
