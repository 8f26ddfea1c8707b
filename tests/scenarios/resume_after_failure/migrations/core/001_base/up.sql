create table log (id int generated always as identity, line text);
