--
-- Remove field isbn from book
--
--! drop-column drop-cascade
ALTER TABLE "library_book" DROP COLUMN "isbn" CASCADE;
--
-- Delete model Genres
--
--! drop-table drop-cascade
DROP TABLE "library_book_genres" CASCADE;
