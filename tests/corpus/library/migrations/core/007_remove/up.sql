--
-- Remove field isbn from book
--
--! drop-column cascade
ALTER TABLE "library_book" DROP COLUMN "isbn" CASCADE;
--
-- Delete model Genres
--
--! drop-table cascade
DROP TABLE "library_book_genres" CASCADE;
