update device set model_id = 1 where model_id is null;
