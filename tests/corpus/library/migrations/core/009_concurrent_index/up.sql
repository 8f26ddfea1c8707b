CREATE INDEX CONCURRENTLY "library_book_title_idx" ON "library_book" ("title");
