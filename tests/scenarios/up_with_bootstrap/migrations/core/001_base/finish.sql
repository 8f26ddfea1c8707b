create table one_finished ();
