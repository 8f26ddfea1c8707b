CREATE EXTENSION IF NOT EXISTS "pgcrypto";
CREATE TABLE "coupons_users" ("coupon_id" bigint NOT NULL, "user_id" bigint NOT NULL);
CREATE INDEX "index_coupons_users" ON "coupons_users" ("coupon_id", "user_id");
--! prepared-select-star? volatile-default
ALTER TABLE "users" ADD "token" uuid DEFAULT gen_random_uuid() NOT NULL;
