--! set-default
ALTER TABLE "orders" ALTER COLUMN "state" SET DEFAULT 'open';
--! drop-default several-locks?
ALTER TABLE "users" ALTER COLUMN "role" DROP DEFAULT;
