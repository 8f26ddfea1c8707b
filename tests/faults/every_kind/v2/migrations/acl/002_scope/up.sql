alter table roles add column scope text;
create policy roles_seen on roles for select using (scope is not null);
