-- Version 2.0 says in words what 1.0 says in numbers: consumers.state instead of consumers.status.
-- While both versions run, both columns are there, and a trigger keeps them equal, whoever writes.

-- Nullable and without a default: instant, and 1.0 does not notice.
alter table consumers add column state text;

create function consumers_sync_state() returns trigger language plpgsql as $$
declare
    words constant text[] := array['active', 'suspended', 'closed'];
begin
    if new.state is not null and (tg_op = 'INSERT' or new.state is distinct from old.state) then
        new.status := array_position(words, new.state);   -- 2.0 wrote, or the backfill; an unknown word finds no number
    else
        new.state := words[new.status];                   -- 1.0 wrote
    end if;
    return new;
end $$;

-- kmig:allow create-trigger because it only fills the column that the writing version does not know
create trigger consumers_sync_state
    before insert or update on consumers
    for each row execute function consumers_sync_state();
