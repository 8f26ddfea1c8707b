-- The way back, as long as finish has not begun: 1.0 has lost nothing, its column was written all along.
drop trigger consumers_sync_state on consumers;
drop function consumers_sync_state();
alter table consumers drop column state;
