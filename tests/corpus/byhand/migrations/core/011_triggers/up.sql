create function billing.touch() returns trigger language plpgsql as $$ begin new.since := now(); return new; end $$;
--! create-trigger
create trigger touch before update on billing.customer for each row execute function billing.touch();
--! change-trigger
alter table billing.customer disable trigger touch;
--! rewrite-rule
create rule nothing as on delete to billing.customer do instead nothing;
