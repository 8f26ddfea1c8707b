create unique index made_a on made (a);
create view made_now as select a from made;
