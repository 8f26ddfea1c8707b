alter table roles alter column scope set not null;
