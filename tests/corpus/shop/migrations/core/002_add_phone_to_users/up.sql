--! prepared-select-star?
ALTER TABLE "users" ADD "phone" character varying;
--! prepared-select-star?
ALTER TABLE "users" ADD "admin" boolean DEFAULT FALSE NOT NULL;
