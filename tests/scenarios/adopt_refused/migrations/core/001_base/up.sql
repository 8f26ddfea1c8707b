create table one (id int primary key, name text);
create table gone (id int);
