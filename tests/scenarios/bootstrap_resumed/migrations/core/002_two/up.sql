insert into one default values;
create table two ();
