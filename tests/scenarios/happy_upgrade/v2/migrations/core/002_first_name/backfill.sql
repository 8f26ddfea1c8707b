update customers set first_name = split_part(name, ' ', 1) where first_name is null;
