create table emails (email text primary key);
