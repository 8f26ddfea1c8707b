-- kmig:done-when select indisvalid from pg_index where indexrelid = to_regclass('t_a')
create index concurrently t_a on t (a);
create table x ();
