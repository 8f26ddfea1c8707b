UPDATE things SET title = upper(name) WHERE title IS NULL;
