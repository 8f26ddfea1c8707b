create table crlf (a text);
-- comment ;
copy crlf from stdin;
1;
\.
select $$
;
$$;
select 2