create index t_a_idx on t (a);
