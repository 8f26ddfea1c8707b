update billing.customer set full_name = name where full_name is null;
