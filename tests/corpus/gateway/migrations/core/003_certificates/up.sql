CREATE TABLE IF NOT EXISTS "ca_certificates" (
  "id"          UUID                       PRIMARY KEY,
  "created_at"  TIMESTAMP WITH TIME ZONE   DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  "cert"        TEXT NOT NULL              UNIQUE,
  "tags"        TEXT[]
);

DO $$
BEGIN
  --! prepared-select-star?
  ALTER TABLE IF EXISTS ONLY "services" ADD "client_certificate_id" UUID REFERENCES "ca_certificates" ("id");
EXCEPTION WHEN DUPLICATE_COLUMN THEN
END;
$$;
