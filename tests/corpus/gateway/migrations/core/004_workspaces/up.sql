CREATE TABLE IF NOT EXISTS "workspaces" (
  "id"    UUID PRIMARY KEY,
  "name"  TEXT UNIQUE
);
INSERT INTO workspaces (id, name)
VALUES ('00000000-0000-0000-0000-000000000000', 'default') ON CONFLICT DO NOTHING;

DO $$
BEGIN
  --! prepared-select-star?
  ALTER TABLE IF EXISTS ONLY "routes" ADD "ws_id" UUID DEFAULT '00000000-0000-0000-0000-000000000000';
EXCEPTION WHEN DUPLICATE_COLUMN THEN
END$$;

--! several-locks?
DO $$
BEGIN
  --! drop-constraint
  ALTER TABLE IF EXISTS ONLY "services" DROP CONSTRAINT IF EXISTS "services_name_key";
  --! add-key-builds-index unique-index
  ALTER TABLE "services" ADD CONSTRAINT "services_name_unique" UNIQUE ("name", "host");
EXCEPTION WHEN DUPLICATE_TABLE THEN
END$$;
