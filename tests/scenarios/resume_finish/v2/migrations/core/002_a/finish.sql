alter table a drop column old;
