alter table consumer_groups drop column expires_at;
