alter table notes add column length integer;
create index concurrently notes_length_idx on notes (length);
insert into log values ('indexed');
create unique index concurrently log_once_idx on log (line);
