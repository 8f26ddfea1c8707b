INSERT INTO tally VALUES ('003 finish');
