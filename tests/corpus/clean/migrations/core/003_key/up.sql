--! constraint-on-old-column several-locks?
alter table device add constraint device_model foreign key (model_id) references model not valid;
