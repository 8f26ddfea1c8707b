select 'not closed;
