drop table toow;
