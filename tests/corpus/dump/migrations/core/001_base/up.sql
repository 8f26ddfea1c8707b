--
-- PostgreSQL database dump
--

\restrict r3QsTzUv

SET statement_timeout = 0;
SET lock_timeout = 0;
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET default_table_access_method = heap;

CREATE FUNCTION public.touched() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  NEW.touched := now();
  RETURN NEW;
END
$$;

CREATE TABLE public.film (
    id integer NOT NULL,
    title text,
    touched timestamp with time zone
);

CREATE SEQUENCE public.film_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.film_id_seq OWNED BY public.film.id;
ALTER TABLE ONLY public.film ALTER COLUMN id SET DEFAULT nextval('public.film_id_seq'::regclass);

COPY public.film (id, title, touched) FROM stdin;
1	The Truncate Table	\N
2	alter table public.film drop column title;	\N
\.

SELECT pg_catalog.setval('public.film_id_seq', 2, true);

ALTER TABLE ONLY public.film
    ADD CONSTRAINT film_pkey PRIMARY KEY (id);

CREATE INDEX film_title_idx ON public.film USING btree (title);

CREATE TRIGGER touched BEFORE UPDATE ON public.film FOR EACH ROW EXECUTE FUNCTION public.touched();

\unrestrict r3QsTzUv
