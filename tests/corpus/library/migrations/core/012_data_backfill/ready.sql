SELECT "id" FROM "library_book" WHERE "publisher_id" IS NULL LIMIT 1;
