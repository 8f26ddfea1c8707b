--! prepared-select-star?
DO $$ BEGIN ALTER TABLE IF EXISTS ONLY "acls" ADD "tags" TEXT[]; EXCEPTION WHEN DUPLICATE_COLUMN THEN END; $$;
CREATE INDEX CONCURRENTLY acls_tags_idx ON acls USING gin (tags);
