-- kmig:allow drop-table because it was here once
alter table users add column email text;
