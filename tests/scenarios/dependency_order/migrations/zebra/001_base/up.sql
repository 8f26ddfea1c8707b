insert into trail (what) values ('zebra/1');
