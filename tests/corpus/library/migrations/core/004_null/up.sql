--
-- Alter field born on author
--
UPDATE "library_author" SET "born" = '1900-01-01' WHERE "born" IS NULL; SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "library_author" ALTER COLUMN "born" SET NOT NULL;
