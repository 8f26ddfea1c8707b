ALTER TABLE "items" ALTER COLUMN "price" SET NOT NULL;
ALTER TABLE "items" DROP CONSTRAINT "items_price_null";
