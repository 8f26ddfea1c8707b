ALTER TABLE accounts
  --! drop-column
  DROP COLUMN IF EXISTS password,
  ADD COLUMN password_hash TEXT;
--! delete
DELETE FROM account_roles WHERE grant_date < now() - interval '10 years';
