alter table orders alter column status set not null;
