-- kmig:allow replication because nobody listens
create subscription every_other connection 'host=nowhere.invalid' publication one
    with (connect = false, slot_name = none, enabled = false, create_slot = false);
-- Said twice it fails, and kmig cannot see into it.
-- kmig:done-when select 'two' = any (subpublications) from pg_subscription where subname = 'every_other' and subdbid = (select oid from pg_database where datname = current_database())
-- kmig:allow replication because nobody listens
alter subscription every_other add publication two with (refresh = false);
