--! set-unlogged
alter table billing.event_2025 set unlogged;
--! cluster
cluster billing.invoice using invoice_due;
--! set-tablespace
alter table billing.invoice set tablespace fast;
--! lock-table
lock table billing.invoice in share mode;
--! server-wide
alter database shop set work_mem = '1GB';
