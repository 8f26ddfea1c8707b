--! prepared-select-star?
ALTER TABLE "orders" ADD "coupon_id" bigint;
CREATE TABLE "coupons" ("id" bigserial primary key, "code" character varying, "percent" integer);
--! add-foreign-key-validated
ALTER TABLE "orders" ADD CONSTRAINT "fk_rails_coupon" FOREIGN KEY ("coupon_id") REFERENCES "coupons" ("id");
