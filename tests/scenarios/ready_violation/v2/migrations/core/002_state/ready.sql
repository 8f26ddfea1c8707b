-- no row may be left without a status
select id from jobs where status is null;
