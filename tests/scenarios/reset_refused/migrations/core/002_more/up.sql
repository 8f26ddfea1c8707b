create view box.v as select * from box.a;
