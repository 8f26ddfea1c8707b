--! change-default
ALTER TABLE "orders" ALTER COLUMN "state" SET DEFAULT 'open';
--! drop-default
ALTER TABLE "users" ALTER COLUMN "role" DROP DEFAULT;
