create table ruled (a int, b text);
create rule r1 as on insert to ruled do also (
  update ruled set a = 1;
  delete from ruled where b = ');'
);
copy ruled (a, b) from stdin with (format csv, delimiter ','); -- data below
1,";"
2,"'"
\.
copy ruled from stdin;
\.
copy (select ';' from ruled) to '/nowhere;/x';
-- kmig:allow drop-table because nothing reads it
-- kmig:timeout 10min
drop table ruled;
create index concurrently i1 on ruled (a);
with d as (delete from ruled returning *) select * from d;
alter type t1 add value ';';
vacuum
