insert into trail (what) values ('billing/1');
