alter table b drop column old;
alter table b drop column not_there;
