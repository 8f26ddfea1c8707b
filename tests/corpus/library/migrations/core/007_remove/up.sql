--
-- Remove field isbn from book
--
--! drop-cascade drop-column
ALTER TABLE "library_book" DROP COLUMN "isbn" CASCADE;
--
-- Delete model Genres
--
--! drop-cascade drop-table several-locks?
DROP TABLE "library_book_genres" CASCADE;
