create table audit ();
