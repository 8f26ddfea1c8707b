create index on fresh (a);
create index on maybe (id);
alter table fresh drop column b;
alter table users drop column email;
delete from fresh;
drop table fresh cascade;
