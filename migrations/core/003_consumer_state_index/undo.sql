drop index concurrently consumers_state_idx;
