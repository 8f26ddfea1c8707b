alter table billing.invoice validate constraint due_after_2000;
