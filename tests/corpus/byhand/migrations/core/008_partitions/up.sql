--! partition-of
create table billing.event_2026 partition of billing.event for values from ('2026-01-01') to ('2027-01-01');
create table billing.event_2027 (like billing.event including all);
alter table billing.event attach partition billing.event_2027 for values from ('2027-01-01') to ('2028-01-01');
--! detach-partition
alter table billing.event detach partition billing.event_2025;
