create table before ();
