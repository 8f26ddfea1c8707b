drop index concurrently device_serial;
