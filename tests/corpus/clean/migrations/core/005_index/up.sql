create index concurrently device_serial on device (serial);
create index concurrently device_model_id on device (model_id);
