--! prepared-select-star?
ALTER TABLE accounts ADD COLUMN email VARCHAR(320), ADD COLUMN active BOOLEAN NOT NULL DEFAULT true;
