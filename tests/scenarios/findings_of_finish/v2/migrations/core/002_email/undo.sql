alter table users drop email;
