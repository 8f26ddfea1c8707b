ALTER TABLE "library_author" ADD CONSTRAINT "library_author_name_uniq" UNIQUE USING INDEX "library_author_name_uniq";
