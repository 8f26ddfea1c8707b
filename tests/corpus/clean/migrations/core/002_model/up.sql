create table model (id int primary key, name text not null);
insert into model values (1, 'unknown') on conflict do nothing;
--! prepared-select-star?
alter table device add column model_id int;
