create table three (id oops);
