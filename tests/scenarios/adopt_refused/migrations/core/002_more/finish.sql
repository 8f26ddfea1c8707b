drop table public.gone;
