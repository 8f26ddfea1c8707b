drop index concurrently notes_old_idx;
create index notes_old_idx on notes (body);
