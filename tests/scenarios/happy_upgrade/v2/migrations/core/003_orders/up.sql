create table orders (
    id bigint generated always as identity primary key,
    customer bigint not null,
    status text
);
