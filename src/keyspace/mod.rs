//! A keyspace between a cluster and a folder. [`plan`] decides from what was seen, purely; [`export`] does it.

pub mod export;
pub mod plan;
pub mod since;
pub mod verify;
