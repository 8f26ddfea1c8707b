--! drop-function
DROP FUNCTION IF EXISTS "increment_rate_limits"(TEXT, TEXT, TIMESTAMP WITH TIME ZONE, INTEGER);
DO $$
BEGIN
  --! prepared-select-star?
  ALTER TABLE IF EXISTS ONLY "ratelimiting_metrics" ADD "ttl" TIMESTAMP WITH TIME ZONE;
EXCEPTION WHEN DUPLICATE_COLUMN THEN
END$$;
--! truncate
TRUNCATE TABLE ratelimiting_metrics;
