--! set-not-null
ALTER TABLE "items" ALTER COLUMN "quantity" SET NOT NULL;
