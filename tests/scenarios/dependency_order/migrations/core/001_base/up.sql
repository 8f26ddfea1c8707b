create table trail (id int generated always as identity, what text);
insert into trail (what) values ('core/1');
