alter table users add column shout text;
