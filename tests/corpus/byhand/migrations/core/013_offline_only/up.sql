--! rewrite-table
alter table billing.event_2025 set unlogged;
--! rewrite-table
cluster billing.invoice using invoice_due;
--! rewrite-table several-locks?
alter table billing.invoice set tablespace fast;
--! lock-table
lock table billing.invoice in share mode;
--! server-settings
alter database shop set work_mem = '1GB';
