alter table users drop column old;
