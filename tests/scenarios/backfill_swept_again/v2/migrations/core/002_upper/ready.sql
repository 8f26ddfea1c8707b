select id from users where shout is null;
