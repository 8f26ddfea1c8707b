create table three ();
