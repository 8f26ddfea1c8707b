create table one ();
