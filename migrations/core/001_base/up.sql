-- Those who call the gateway.
create table consumers (
    id bigint generated always as identity primary key,
    username text not null unique,
    status integer not null default 1,  -- 1 active, 2 suspended, 3 closed: what 2.0 is going to write in words
    calls bigint not null default 0
);
