create table two ();
