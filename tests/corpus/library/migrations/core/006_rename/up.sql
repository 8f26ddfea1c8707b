--
-- Rename model Author to Writer
--
--! rename-table
ALTER TABLE "library_author" RENAME TO "library_writer";
--
-- Rename field pages on book to page_count
--
--! rename-column several-locks?
ALTER TABLE "library_book" RENAME COLUMN "pages" TO "page_count";
