-- Asked before up runs anything: a row that comes back is a violation, and up does not begin.
-- A number that nobody gave a meaning to has no word.
select id, username, status
from consumers
where status not in (1, 2, 3)
limit 10;
