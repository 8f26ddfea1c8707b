create table fresh (id bigint primary key, a text, b text);
create table if not exists maybe (id bigint);
create table child (fresh bigint references fresh);
alter table users add column email text;
