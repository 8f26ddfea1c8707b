UPDATE "orders" SET "currency" = 'CHF' WHERE "currency" = 'EUR' AND "note" LIKE '%CHF%';
