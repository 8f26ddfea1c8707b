create table after ();
create index concurrently after_i on after ((1));
