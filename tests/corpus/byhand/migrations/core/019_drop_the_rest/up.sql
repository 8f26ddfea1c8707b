--! drop-type
drop type billing.state;
--! drop-type
drop domain if exists billing.cents;
--! drop-view
drop materialized view billing.turnover;
--! drop-schema drop-cascade
drop schema billing cascade;
--! drop-extension
drop extension if exists hstore;
