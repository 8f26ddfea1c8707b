drop policy roles_seen on roles;
alter table roles drop column scope;
