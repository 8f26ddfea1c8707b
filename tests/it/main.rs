//! The integration tests, one binary: a module per subject.

#[path = "../support/mod.rs"]
mod support;

mod bad_cassandra;
mod bad_config;
mod bad_files;
mod bad_server;
mod bare_statements;
mod cassandra_harness;
mod conninfo_psql;
mod cql_files;
mod cql_proof;
mod cql_statements;
mod cqlsh_splits;
mod docs;
mod errors;
mod frame_proxy;
mod harness;
mod observe;
mod odd_defaults;
mod odd_files;
mod pipes;
mod psql_split;
mod review;
mod safety;
mod secrets;
mod session_effects;
mod tidy;
