alter table users drop old;
