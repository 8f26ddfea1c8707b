create table old (a int); create view old_view as select * from old;
