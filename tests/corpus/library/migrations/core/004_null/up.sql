--
-- Alter field born on author
--
--! update-rows
UPDATE "library_author" SET "born" = '1900-01-01' WHERE "born" IS NULL; SET CONSTRAINTS ALL IMMEDIATE;
--! set-not-null
ALTER TABLE "library_author" ALTER COLUMN "born" SET NOT NULL;
