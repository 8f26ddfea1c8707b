--! owner
ALTER TABLE public.film OWNER TO postgres;
--! drop-trigger
DROP TRIGGER touched ON public.film;
