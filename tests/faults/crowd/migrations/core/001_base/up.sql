CREATE TABLE tally (who text NOT NULL);
CREATE TABLE things (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 200) AS n;
