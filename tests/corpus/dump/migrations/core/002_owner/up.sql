--! change-owner
ALTER TABLE public.film OWNER TO postgres;
--! change-trigger
DROP TRIGGER touched ON public.film;
