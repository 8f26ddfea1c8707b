create schema postgres;
