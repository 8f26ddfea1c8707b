alter table jobs drop column state;
