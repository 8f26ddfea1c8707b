create table before_it ();
create index concurrently t_a_idx on t (a);
create table after_it ();
create index concurrently t_a_id_idx on t (a, id);
