--
-- PostgreSQL database dump
--

\restrict abcDEF0123456789

-- Dumped from database version 15.18
-- Dumped by pg_dump version 15.18

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: double(integer); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.double(n integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
begin
  return n * 2; -- a ; inside
end $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.items (
    id integer NOT NULL,
    label text
);

CREATE SEQUENCE public.items_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.items_id_seq OWNED BY public.items.id;

ALTER TABLE ONLY public.items ALTER COLUMN id SET DEFAULT nextval('public.items_id_seq'::regclass);

COPY public.items (id, label) FROM stdin;
1	one
2	\N
\.


SELECT pg_catalog.setval('public.items_id_seq', 2, true);

ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (id);

--
-- PostgreSQL database dump complete
--

\unrestrict abcDEF0123456789
