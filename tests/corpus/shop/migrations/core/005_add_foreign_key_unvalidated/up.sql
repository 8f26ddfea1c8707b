--! constraint-on-old-column?
ALTER TABLE "items" ADD CONSTRAINT "fk_rails_5ed6f3" FOREIGN KEY ("order_id") REFERENCES "orders" ("id") NOT VALID;
