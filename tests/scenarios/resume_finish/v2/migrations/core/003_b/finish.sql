alter table b drop old;
alter table b drop not_there;
