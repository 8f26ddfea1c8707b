select id from people where first_name is null or last_name is null;
