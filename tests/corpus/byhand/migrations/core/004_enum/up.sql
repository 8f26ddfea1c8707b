--! add-enum-value?
alter type billing.state add value if not exists 'void' after 'paid';
