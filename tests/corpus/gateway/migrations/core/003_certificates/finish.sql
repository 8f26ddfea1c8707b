DROP TABLE IF EXISTS ssl_servers_names;
ALTER TABLE services DROP COLUMN IF EXISTS connect_timeout;
