select id from people where position(' ' in name) = 0;
