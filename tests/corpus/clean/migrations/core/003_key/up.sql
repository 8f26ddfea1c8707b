--! constraint-on-old-column?
alter table device add constraint device_model foreign key (model_id) references model not valid;
