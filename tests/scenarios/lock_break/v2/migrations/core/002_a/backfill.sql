select pg_sleep(seconds) from brake;
update t set b = 1 where b is null;
