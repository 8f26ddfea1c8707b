insert into emails select email from users on conflict do nothing;
