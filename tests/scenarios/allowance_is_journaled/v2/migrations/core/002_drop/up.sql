-- kmig:allow drop-column because nobody has read it since 0.9
-- kmig:allow prepared-select-star because the drivers prepare nothing
alter table users drop column old, add column email text;
