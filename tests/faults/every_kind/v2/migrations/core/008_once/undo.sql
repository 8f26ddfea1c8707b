delete from notes where id = 2;
delete from people where id = 5;
delete from roles where role = 'writer';
delete from log where line = 'once';
