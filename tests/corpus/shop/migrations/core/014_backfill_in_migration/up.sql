--! prepared-select-star?
ALTER TABLE "orders" ADD "currency" character varying DEFAULT 'EUR' NOT NULL;
--! locks-with-work update-rows
UPDATE "orders" SET "currency" = 'USD' WHERE "user_id" IN (SELECT id FROM users WHERE phone LIKE '+1%');
