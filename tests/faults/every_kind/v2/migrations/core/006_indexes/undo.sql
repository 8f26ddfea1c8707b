delete from log where line = 'indexes';
create index concurrently notes_length_idx on public.notes (length);
drop index concurrently public.people_name_id_idx;
drop index concurrently side.people_name_idx;
