alter table roles add column scope text;
-- kmig:allow row-security because no policy is in force
create policy roles_seen on roles for select using (scope is not null);
