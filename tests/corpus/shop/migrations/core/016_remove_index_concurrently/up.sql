--! drop-index
DROP INDEX CONCURRENTLY IF EXISTS "index_orders_on_created_at";
