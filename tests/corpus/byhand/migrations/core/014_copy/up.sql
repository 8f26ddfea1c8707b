create table billing.country (code char(2) primary key, name text);
copy billing.country (code, name) from stdin;
DE	Germany; drop table billing.customer;
FR	France
\.
--! truncate
truncate billing.country, billing.customer;
