alter table jobs add column status text;
