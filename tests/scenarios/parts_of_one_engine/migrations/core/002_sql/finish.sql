drop table of_sql;
