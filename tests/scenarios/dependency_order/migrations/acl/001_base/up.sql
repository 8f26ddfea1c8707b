insert into trail (what) values ('acl/1');
