--! column-type
ALTER TABLE "users" ALTER COLUMN "role" TYPE bigint;
--! column-type
ALTER TABLE "items" ALTER COLUMN "sku" TYPE character varying(10);
--! column-type
ALTER TABLE "items" ALTER COLUMN "sku" TYPE text;
--! column-type
ALTER TABLE "orders" ALTER COLUMN "total" TYPE numeric(12,2), ALTER COLUMN "total" SET DEFAULT 0.0;
