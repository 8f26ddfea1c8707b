insert into log values ('detaching');
alter table events detach partition events_2023 concurrently;
drop table events_2023;
insert into log values ('detached');
