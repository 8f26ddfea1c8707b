update jobs set status = 'done' where status is null and state = 1;
