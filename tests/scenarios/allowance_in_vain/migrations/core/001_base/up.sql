create table users (id bigint primary key, name text, old text);
create table orders (id bigint primary key, user_id bigint references users);
