ALTER TABLE accounts
  --! drop-column
  DROP COLUMN IF EXISTS password,
  --! prepared-select-star?
  ADD COLUMN password_hash TEXT;
--! delete-rows locks-with-work
DELETE FROM account_roles WHERE grant_date < now() - interval '10 years';
