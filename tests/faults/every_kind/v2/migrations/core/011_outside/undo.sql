-- kmig:done-when select not exists (select from pg_subscription where subname = 'every_other' and subdbid = (select oid from pg_database where datname = current_database()))
drop subscription if exists every_other;
