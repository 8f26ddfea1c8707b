-- Which groups a consumer belongs to.
create table consumer_groups (
    consumer_id bigint not null references consumers (id),
    name text not null,
    primary key (consumer_id, name)
);
