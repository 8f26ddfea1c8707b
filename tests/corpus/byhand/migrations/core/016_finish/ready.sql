select id from billing.customer where full_name is null limit 1;
