select a from made group by a having count(*) > 1;
