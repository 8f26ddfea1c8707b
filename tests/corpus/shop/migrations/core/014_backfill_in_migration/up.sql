ALTER TABLE "orders" ADD "currency" character varying DEFAULT 'EUR' NOT NULL;
--! update locks-with-work
UPDATE "orders" SET "currency" = 'USD' WHERE "user_id" IN (SELECT id FROM users WHERE phone LIKE '+1%');
