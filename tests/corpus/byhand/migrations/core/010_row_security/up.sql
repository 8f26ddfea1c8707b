--! row-security
create policy own on billing.customer for select using (name = current_user);
--! row-security
alter table billing.customer enable row level security;
--! row-security
alter table billing.customer force row level security;
