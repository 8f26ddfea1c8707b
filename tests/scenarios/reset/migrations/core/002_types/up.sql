create type mood as enum ('sad', 'glad');
create type pair as (a int, b mood);
create domain small as int check (value < twice(50));
-- Older tables use what is made later.
alter table hen add mood mood default 'sad', add size small;
alter table egg add pair pair;
create function rows_of() returns setof hen language sql as 'select * from hen';
create view glad as select * from hen where mood = 'glad';
create materialized view glad_ids as select id from glad;
create view glad_count as select count(*) from glad_ids;
create materialized view glad_counts as select * from glad_count;
set search_path = extra, public;
create table inside (a int);
create table hen (a int);
