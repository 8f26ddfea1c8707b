insert into trail (what) values ('core/2');
