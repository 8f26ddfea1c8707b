--! drop-type
drop type billing.state;
--! drop-domain
drop domain if exists billing.cents;
--! drop-materialized-view
drop materialized view billing.turnover;
--! drop-schema cascade
drop schema billing cascade;
--! drop-extension
drop extension if exists hstore;
