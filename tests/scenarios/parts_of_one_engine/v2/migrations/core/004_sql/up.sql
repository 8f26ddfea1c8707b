create table more_sql (id int primary key);
