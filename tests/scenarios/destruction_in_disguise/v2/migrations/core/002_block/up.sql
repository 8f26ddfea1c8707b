do $body$
begin
    if now() is not null then
        aLtEr /* ; */ taBLE "users"
            drOp -- the column
            "old";
    end if;
end
$body$;
