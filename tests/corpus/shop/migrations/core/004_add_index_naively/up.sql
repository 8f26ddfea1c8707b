--! index-not-concurrent
CREATE INDEX "index_orders_on_created_at" ON "orders" ("created_at");
--! index-not-concurrent several-locks? unique-index
CREATE UNIQUE INDEX "index_items_on_sku" ON "items" ("sku");
