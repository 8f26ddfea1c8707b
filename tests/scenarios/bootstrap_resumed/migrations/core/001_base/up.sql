create table one (id int generated always as identity);
