alter table customers drop name;
