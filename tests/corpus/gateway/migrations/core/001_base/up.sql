CREATE TABLE IF NOT EXISTS "cluster_events" (
  "id"         UUID                       PRIMARY KEY,
  "node_id"    UUID                       NOT NULL,
  "at"         TIMESTAMP WITH TIME ZONE   NOT NULL,
  "nbf"        TIMESTAMP WITH TIME ZONE,
  "expire_at"  TIMESTAMP WITH TIME ZONE   NOT NULL,
  "channel"    TEXT,
  "data"       TEXT
);

CREATE TABLE IF NOT EXISTS "services" (
  "id"               UUID                       PRIMARY KEY,
  "created_at"       TIMESTAMP WITH TIME ZONE,
  "name"             TEXT                       UNIQUE,
  "retries"          BIGINT,
  "protocol"         TEXT,
  "host"             TEXT,
  "port"             BIGINT,
  "path"             TEXT,
  "connect_timeout"  BIGINT
);

CREATE TABLE IF NOT EXISTS "routes" (
  "id"          UUID                       PRIMARY KEY,
  "created_at"  TIMESTAMP WITH TIME ZONE,
  "service_id"  UUID                       REFERENCES "services" ("id"),
  "protocols"   TEXT[],
  "hosts"       TEXT[],
  "paths"       TEXT[],
  "strip_path"  BOOLEAN
);

DO $$
BEGIN
  CREATE INDEX IF NOT EXISTS "routes_service_id_idx" ON "routes" ("service_id");
EXCEPTION WHEN UNDEFINED_COLUMN THEN
  -- the column may be gone on a newer database
END$$;

DO $$
BEGIN
  CREATE INDEX IF NOT EXISTS "cluster_events_expire_at_idx" ON "cluster_events" ("expire_at");
EXCEPTION WHEN UNDEFINED_COLUMN THEN
END$$;

CREATE OR REPLACE FUNCTION "delete_expired_cluster_events" () RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
  BEGIN
    DELETE FROM "cluster_events"
          WHERE "expire_at" <= CURRENT_TIMESTAMP AT TIME ZONE 'UTC';
    RETURN NEW;
  END;
$$;

DROP TRIGGER IF EXISTS "delete_expired_cluster_events_trigger" ON "cluster_events";
CREATE TRIGGER "delete_expired_cluster_events_trigger"
  AFTER INSERT ON "cluster_events"
  FOR EACH STATEMENT
  EXECUTE PROCEDURE delete_expired_cluster_events();
