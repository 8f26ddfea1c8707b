create table archive (id bigint);
with gone as (delete from orders returning id) insert into archive select id from gone;
