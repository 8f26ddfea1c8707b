--! add-check-validated constraint-on-old-column?
ALTER TABLE "library_book" ADD CONSTRAINT "pages_below_10000" CHECK ("pages" < 10000);
--! add-key-builds-index unique-index
ALTER TABLE "library_book" ADD CONSTRAINT "title_author_uniq" UNIQUE ("title", "author_id");
--! add-exclude constraint-on-old-column?
ALTER TABLE "library_book" ADD CONSTRAINT "no_overlap" EXCLUDE USING gist (int4range("pages", "pages" + 1) WITH &&);
--! drop-constraint
ALTER TABLE "library_book" DROP CONSTRAINT "library_book_isbn_key";
