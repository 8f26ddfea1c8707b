alter table customers add first_name text;
