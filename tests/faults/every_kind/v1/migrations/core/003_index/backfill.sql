update notes set length = length(body) where length is null;
insert into log values ('filled') on conflict do nothing;
