drop table gone;
alter aggregate total(int) rename to sum_up;
