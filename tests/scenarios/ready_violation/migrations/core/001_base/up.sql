create table jobs (id int, state int);
