select id from device where model_id is null limit 1;
