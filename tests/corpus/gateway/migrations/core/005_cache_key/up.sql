DO $$
BEGIN
  ALTER TABLE "routes" ADD COLUMN "cache_key" TEXT;
EXCEPTION WHEN duplicate_column THEN
END;
$$;
--! unique-index-concurrent
CREATE UNIQUE INDEX CONCURRENTLY routes_cache_key_idx ON routes (cache_key);
