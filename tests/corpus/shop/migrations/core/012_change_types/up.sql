--! change-column-type
ALTER TABLE "users" ALTER COLUMN "role" TYPE bigint;
--! change-column-type several-locks?
ALTER TABLE "items" ALTER COLUMN "sku" TYPE character varying(10);
--! change-column-type
ALTER TABLE "items" ALTER COLUMN "sku" TYPE text;
--! change-column-type set-default
ALTER TABLE "orders" ALTER COLUMN "total" TYPE numeric(12,2), ALTER COLUMN "total" SET DEFAULT 0.0;
