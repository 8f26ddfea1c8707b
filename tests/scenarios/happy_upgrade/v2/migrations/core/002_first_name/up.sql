alter table customers add column first_name text;
