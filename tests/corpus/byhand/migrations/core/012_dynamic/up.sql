do $$
declare
    part record;
begin
    for part in select relname from pg_class where relname like 'event_%' loop
        --! dynamic-sql
        execute format('alter table billing.%I add column source text', part.relname);
    end loop;
end $$;
--! unknown-call
select billing.net(119);
--! unknown-call
call billing.archive(2024);
select pg_catalog.count(*) from billing.invoice;
--! denied-call
select pg_advisory_lock(1);
--! denied-call
select setval('billing.number', 5000);
