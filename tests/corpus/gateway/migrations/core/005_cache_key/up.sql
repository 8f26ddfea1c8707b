DO $$
BEGIN
  --! prepared-select-star?
  ALTER TABLE "routes" ADD COLUMN "cache_key" TEXT;
EXCEPTION WHEN duplicate_column THEN
END;
$$;
--! unique-index
CREATE UNIQUE INDEX CONCURRENTLY routes_cache_key_idx ON routes (cache_key);
