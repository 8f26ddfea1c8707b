--
-- Add field language to book
--
ALTER TABLE "library_book" ADD COLUMN "language" varchar(8) DEFAULT 'en' NOT NULL;
--! new-column-default
ALTER TABLE "library_book" ALTER COLUMN "language" DROP DEFAULT;
