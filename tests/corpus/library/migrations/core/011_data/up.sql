INSERT INTO "library_publisher" ("name") VALUES ('unknown');
INSERT INTO "library_publisher" ("name") SELECT DISTINCT 'press of ' || "name" FROM "library_author";
