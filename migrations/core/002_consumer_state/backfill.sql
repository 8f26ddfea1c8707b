-- The rows that were there before the trigger. It may run any number of times: it only takes what is still to be filled.
-- `kmig finish` runs it again until it changes nothing.
update consumers
set state = (array['active', 'suspended', 'closed'])[status]
where state is null;
