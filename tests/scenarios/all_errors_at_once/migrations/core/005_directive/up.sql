-- kmig:please
select 1;
