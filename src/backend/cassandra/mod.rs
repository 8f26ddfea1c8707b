//! Cassandra.

pub mod connect;
pub mod fault;
pub mod target;
