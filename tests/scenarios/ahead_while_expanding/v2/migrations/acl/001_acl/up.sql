create table acl ();
