--! drop-type
drop type billing.state;
--! drop-type
drop domain if exists billing.cents;
--! drop-view
drop materialized view billing.turnover;
--! drop-cascade drop-schema
drop schema billing cascade;
--! drop-extension
drop extension if exists hstore;
