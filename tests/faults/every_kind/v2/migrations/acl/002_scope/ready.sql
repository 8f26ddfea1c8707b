select * from roles where scope is null;
