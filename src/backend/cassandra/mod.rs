//! Cassandra.

pub mod connect;
pub mod fault;
mod probe;
pub mod rights;
pub mod target;
mod tls;
