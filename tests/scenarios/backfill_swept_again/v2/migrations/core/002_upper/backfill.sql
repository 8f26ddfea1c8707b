update users set shout = upper(name) where shout is null;
