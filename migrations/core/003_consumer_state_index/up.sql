-- CONCURRENTLY: nobody waits while it is built. Postgres refuses that inside a transaction; kmig knows, and runs it outside.
create index concurrently consumers_state_idx on consumers (state);
