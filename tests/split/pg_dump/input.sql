--
-- PostgreSQL database dump
--

\restrict hZ1v0yVY8Jq3mTn

-- Dumped from database version 15.18
-- Dumped by pg_dump version 15.18

SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.f() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
begin
  execute 'select $1; -- no end' using new.a;
  return new;
end;
$_$;


ALTER FUNCTION public.f() OWNER TO postgres;

SET default_tablespace = '';

CREATE TABLE public.dumped (
    a integer NOT NULL,
    b text DEFAULT ';'::text
);

--
-- Data for Name: dumped; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.dumped (a, b) FROM stdin;
1	it's; $$ /* \\. "
2	\N
\.


--
-- Name: dumped dumped_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dumped
    ADD CONSTRAINT dumped_pkey PRIMARY KEY (a);

CREATE INDEX dumped_b_idx ON public.dumped USING btree (b);

--
-- PostgreSQL database dump complete
--

\unrestrict hZ1v0yVY8Jq3mTn
