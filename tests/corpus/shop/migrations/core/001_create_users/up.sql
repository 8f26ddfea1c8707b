CREATE TABLE "users" ("id" bigserial primary key, "email" character varying NOT NULL, "name" character varying, "role" integer DEFAULT 0 NOT NULL, "last_seen" timestamp(6), "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL);
CREATE UNIQUE INDEX "index_users_on_email" ON "users" ("email");
CREATE TABLE "orders" ("id" bigserial primary key, "user_id" bigint NOT NULL, "total" numeric(10,2), "state" character varying DEFAULT 'new', "note" text, "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL, CONSTRAINT "fk_rails_f868b47f6a" FOREIGN KEY ("user_id") REFERENCES "users" ("id"));
CREATE INDEX "index_orders_on_user_id" ON "orders" ("user_id");
CREATE TABLE "items" ("id" bigserial primary key, "order_id" bigint, "sku" character varying(20), "quantity" integer, "price" numeric(8,2));
