ALTER TABLE "users" ADD "phone" character varying;
ALTER TABLE "users" ADD "admin" boolean DEFAULT FALSE NOT NULL;
