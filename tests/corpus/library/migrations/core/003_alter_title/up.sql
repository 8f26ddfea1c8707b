--
-- Alter field title on book
--
--! change-column-type
ALTER TABLE "library_book" ALTER COLUMN "title" TYPE varchar(400);
--
-- Alter field born on author
--
--! change-column-type several-locks?
ALTER TABLE "library_author" ALTER COLUMN "born" TYPE timestamp with time zone USING "born"::timestamp with time zone;
