set search_path to side, public;
create index concurrently people_name_idx on people (name);
select set_config('search_path', 'public', false);
-- kmig:allow unique-index because no two people have one
create unique index concurrently if not exists people_name_id_idx on people (name, id);
-- kmig:allow drop-index because nobody reads by it
drop index concurrently notes_length_idx;
reindex index concurrently people_pkey;
reindex (verbose) table concurrently notes;
vacuum (analyze) notes;
insert into log values ('indexes');
