CREATE INDEX CONCURRENTLY things_name ON things (name);
INSERT INTO tally VALUES ('004 up');
-- kmig:allow unique-index because no two things have one
CREATE UNIQUE INDEX CONCURRENTLY things_name_id ON things (name, id);
