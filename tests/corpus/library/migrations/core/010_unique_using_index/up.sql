--! unique-index
CREATE UNIQUE INDEX CONCURRENTLY "library_author_name_uniq" ON "library_author" ("name");
