DO $$
BEGIN
  --! drop-column
  ALTER TABLE IF EXISTS ONLY "services" DROP COLUMN "path";
EXCEPTION WHEN UNDEFINED_COLUMN THEN
END$$;
--! drop-table
DROP TABLE IF EXISTS "cluster_events";
--! delete
DELETE FROM routes WHERE service_id IS NULL;
--! update
UPDATE services SET protocol = 'https' WHERE port = 443;
