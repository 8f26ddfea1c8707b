-- Tags of services and routes, in a table of their own that triggers keep in step.
DO $$
BEGIN
  --! prepared-select-star?
  ALTER TABLE IF EXISTS ONLY "services" ADD "tags" TEXT[];
EXCEPTION WHEN DUPLICATE_COLUMN THEN
  -- Do nothing, accept existing state
END$$;

DO $$
BEGIN
  --! index-not-concurrent
  CREATE INDEX IF NOT EXISTS services_tags_idx ON services USING GIN(tags);
EXCEPTION WHEN UNDEFINED_COLUMN THEN
  -- Do nothing, accept existing state
END$$;

CREATE TABLE IF NOT EXISTS tags (
  entity_id   UUID   PRIMARY KEY,
  entity_name TEXT,
  tags        TEXT[]
);

CREATE INDEX IF NOT EXISTS tags_entity_name_idx ON tags (entity_name);

CREATE OR REPLACE FUNCTION sync_tags() RETURNS trigger
LANGUAGE plpgsql
AS $$
  BEGIN
    IF (TG_OP = 'TRUNCATE') THEN
      DELETE FROM tags WHERE entity_name = TG_TABLE_NAME;
      RETURN NULL;
    ELSIF (TG_OP = 'DELETE') THEN
      DELETE FROM tags WHERE entity_id = OLD.id;
      RETURN OLD;
    ELSE
      INSERT INTO tags VALUES (NEW.id, TG_TABLE_NAME, NEW.tags)
      ON CONFLICT (entity_id) DO UPDATE SET tags = EXCLUDED.tags;
    END IF;
    RETURN NEW;
  END;
$$;

--! change-trigger
DROP TRIGGER IF EXISTS services_sync_tags_trigger ON services;

DO $$
BEGIN
  --! create-trigger
  CREATE TRIGGER services_sync_tags_trigger
  AFTER INSERT OR UPDATE OF tags OR DELETE ON services
  FOR EACH ROW
  EXECUTE PROCEDURE sync_tags();
EXCEPTION WHEN UNDEFINED_COLUMN OR UNDEFINED_TABLE THEN
END$$;
