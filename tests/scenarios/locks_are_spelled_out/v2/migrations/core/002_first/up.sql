alter table users add column email text;
CREATE UNIQUE /* the name */ INDEX users_name ON "users" (name);
