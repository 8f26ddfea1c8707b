alter table device validate constraint device_model;
