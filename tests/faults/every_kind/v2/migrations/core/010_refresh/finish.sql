reindex index concurrently moods_mood_idx;
vacuum people;
drop index concurrently if exists public.people_name_id_idx;
