create index concurrently hen_size on hen (size);
alter type mood add value 'calm';
alter table "Odd ""Name" rename to "Other";
alter table public.egg rename to eggs;
