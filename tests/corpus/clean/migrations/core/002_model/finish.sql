alter table device alter column model_id set not null;
alter table device drop column model;
