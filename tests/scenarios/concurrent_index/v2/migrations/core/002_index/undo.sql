drop index concurrently if exists t_a_id_idx;
drop table if exists after_it;
drop index concurrently if exists t_a_idx;
drop table if exists before_it;
