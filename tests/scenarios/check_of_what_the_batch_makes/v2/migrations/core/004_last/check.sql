select from made_now where a is null;
