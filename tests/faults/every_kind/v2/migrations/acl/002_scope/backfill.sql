update roles set scope = 'all' where scope is null;
