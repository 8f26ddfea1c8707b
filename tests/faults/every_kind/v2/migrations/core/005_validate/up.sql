alter table people validate constraint last_name_set;
