set role every_owner;
alter type mood add value if not exists 'glad' after 'ok';
create table side.owned (id integer, mood mood default 'glad');
reset role;
insert into people (id, name, age, mood) values (10, 'Barbara Liskov', 80, 'glad');
