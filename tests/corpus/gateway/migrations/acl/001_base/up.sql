CREATE TABLE IF NOT EXISTS "acls" (
  "id"           UUID   PRIMARY KEY,
  "created_at"   TIMESTAMP WITHOUT TIME ZONE DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  "consumer_id"  UUID,
  "group"        TEXT,
  "cache_key"    TEXT UNIQUE
);
DO $$
BEGIN
  CREATE INDEX IF NOT EXISTS "acls_group_idx" ON "acls" ("group");
  CREATE INDEX IF NOT EXISTS "acls_consumer_id_idx" ON "acls" ("consumer_id");
EXCEPTION WHEN UNDEFINED_COLUMN THEN
END$$;
