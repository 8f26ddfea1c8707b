create schema billing;
create type billing.state as enum ('draft', 'sent', 'paid');
create domain billing.cents as bigint check (value >= 0);
create table billing.customer (
    id      bigint generated always as identity primary key,
    name    text not null,
    country char(2),
    since   timestamptz not null default now()
);
create table billing.invoice (
    id          bigint generated always as identity primary key,
    customer_id bigint not null references billing.customer,
    state       billing.state not null default 'draft',
    total       billing.cents not null default 0,
    due         date,
    memo        varchar(80)
);
create index on billing.invoice (customer_id);
create index invoice_due on billing.invoice (due) where state <> 'paid';
create view billing.open_invoice as select * from billing.invoice where state <> 'paid';
create materialized view billing.turnover as
    select customer_id, sum(total) as total from billing.invoice group by 1;
create unique index turnover_key on billing.turnover (customer_id);
create sequence billing.number start 1000;
create table billing.event (at timestamptz not null, what text) partition by range (at);
create table billing.event_2025 partition of billing.event for values from ('2025-01-01') to ('2026-01-01');
create role billing_reader nologin;
grant usage on schema billing to billing_reader;
grant select on all tables in schema billing to billing_reader;
comment on table billing.invoice is 'one row per bill; see "RENAME TABLE" in the handbook';
