--! rename-enum-value
alter type billing.state rename value 'sent' to 'posted';
