-- kmig:allow drop-column because no version since 2.1 has read it
alter table billing.invoice drop column memo;
-- kmig:allow index-not-concurrent because the table has two hundred rows
create index invoice_state on billing.invoice (state);
