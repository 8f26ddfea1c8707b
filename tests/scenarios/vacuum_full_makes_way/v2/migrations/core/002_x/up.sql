vacuum (full) t;
create table x ();
