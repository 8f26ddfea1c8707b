copy people (id, name, age, mood) from stdin;
1	Ada Lovelace	36	ok
2	Alan Turing	41	sad
3	Grace Hopper	85	ok
\.
do $$
begin
    for n in 1..20 loop
        insert into events values (date '2023-06-01' + 25 * n, n, 'event ' || n);
    end loop;
end
$$;
-- The person comes after her note: the constraint is deferred to the end of the part.
insert into notes (id, person, body) values (1, 4, 'early');
insert into people (id, name, age) values (4, 'Edsger Dijkstra', 72);
-- Nothing keeps this from being there twice, if it were run twice.
insert into log values ('rows');
insert into side.people values (1, 'a', 'ok'), (2, 'b', 'sad');
refresh materialized view moods;
