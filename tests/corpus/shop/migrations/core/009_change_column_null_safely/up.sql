--! constraint-on-old-column?
ALTER TABLE "items" ADD CONSTRAINT "items_price_null" CHECK ("price" IS NOT NULL) NOT VALID;
