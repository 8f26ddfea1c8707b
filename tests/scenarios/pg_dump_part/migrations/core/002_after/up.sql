create table after_the_dump ();
