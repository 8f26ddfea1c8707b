DO $$
BEGIN
  --! drop-column
  ALTER TABLE IF EXISTS ONLY "services" DROP COLUMN "path";
EXCEPTION WHEN UNDEFINED_COLUMN THEN
END$$;
--! drop-table several-locks?
DROP TABLE IF EXISTS "cluster_events";
--! delete-rows locks-with-work
DELETE FROM routes WHERE service_id IS NULL;
--! locks-with-work update-rows
UPDATE services SET protocol = 'https' WHERE port = 443;
