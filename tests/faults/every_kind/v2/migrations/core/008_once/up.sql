insert into log values ('once');
copy roles from stdin;
3	writer
4	writer
\.
insert into notes (id, person, body, during) values (2, 5, 'late', '[1,5)');
insert into people (id, name, age) values (5, 'Tony Hoare', 44);
