create view seen as select a from there;
create function into_there() returns trigger language plpgsql as 'begin insert into there values (new.a); return new; end';
create trigger into_there instead of insert on seen for each row execute function into_there();
copy seen (a) from stdin;
1
2
\.
copy here (a) from stdin;
3
\.
create table cold (a int);
copy cold from stdin (freeze);
7
\.
