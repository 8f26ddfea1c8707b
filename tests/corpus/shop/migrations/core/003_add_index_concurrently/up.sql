CREATE INDEX CONCURRENTLY "index_users_on_phone" ON "users" ("phone");
CREATE INDEX CONCURRENTLY "index_orders_on_state_and_created_at" ON "orders" USING btree ("state", "created_at" DESC) WHERE state <> 'done';
