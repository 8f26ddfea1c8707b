--
-- Add field language to book
--
--! prepared-select-star?
ALTER TABLE "library_book" ADD COLUMN "language" varchar(8) DEFAULT 'en' NOT NULL;
--! add-column-not-null
ALTER TABLE "library_book" ALTER COLUMN "language" DROP DEFAULT;
