begin;
create table u ();
commit;
