DROP TABLE "coupons_users";
DROP INDEX CONCURRENTLY IF EXISTS "index_users_on_phone";
