create table roles (id int primary key);
