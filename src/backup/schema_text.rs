//! schema.cql: what restores the schema by hand. Pure.
