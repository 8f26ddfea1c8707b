--! drop-column
ALTER TABLE "users" DROP COLUMN "last_seen";
--! rename-column several-locks?
ALTER TABLE "orders" RENAME COLUMN "note" TO "remark";
--! rename-table
ALTER TABLE "items" RENAME TO "line_items";
ALTER INDEX "index_orders_on_user_id" RENAME TO "index_orders_on_customer";
