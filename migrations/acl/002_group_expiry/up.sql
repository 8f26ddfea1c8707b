-- 1.0 neither knows nor needs it. With no finish part nothing is owed: up completes this migration.
alter table consumer_groups add column expires_at timestamptz;
