create table last ();
