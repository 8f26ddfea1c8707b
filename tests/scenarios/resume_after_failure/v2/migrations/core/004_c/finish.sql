insert into log (line) values ('c finished');
