-- Asked before finish runs anything: no row without a word, and none whose word and number differ.
select id, username, status, state
from consumers
where state is null
   or status is distinct from array_position(array['active', 'suspended', 'closed'], state)
limit 10;
