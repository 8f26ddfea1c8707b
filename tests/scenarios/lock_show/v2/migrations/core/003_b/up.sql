create table after_it ();
