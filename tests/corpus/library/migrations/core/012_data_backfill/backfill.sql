UPDATE "library_book" SET "publisher_id" = (SELECT min("id") FROM "library_publisher") WHERE "publisher_id" IS NULL;
