update users set email = name || '@example.com';
