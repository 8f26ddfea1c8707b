create table of_sql (id int primary key);
