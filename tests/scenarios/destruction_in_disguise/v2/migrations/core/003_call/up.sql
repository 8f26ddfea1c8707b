create function tidy() returns void language plpgsql as $$
begin
    perform tidier();
end
$$;
create function tidier() returns void language sql begin atomic delete from orders; end;
select tidy();
