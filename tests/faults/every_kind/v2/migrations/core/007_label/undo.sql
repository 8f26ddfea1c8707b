delete from people where id = 10;
drop table side.owned;
