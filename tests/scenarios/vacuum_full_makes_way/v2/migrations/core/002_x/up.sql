-- kmig:allow vacuum-full because the table is small and its readers wait a moment
vacuum (full) t;
create table x ();
