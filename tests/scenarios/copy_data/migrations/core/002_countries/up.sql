-- Data as pg_dump writes it: tabs between columns, \N for null.
copy countries (code, name, note) from stdin;
de	Germany	\N
fr	France	it's; not -- the end
jp	日本	\\back\tslash
\.

insert into countries values ('it', 'Italy', null);
