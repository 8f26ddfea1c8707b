//! A keyspace between a cluster and a folder, or beside another one. [`plan`] and [`pair`] decide from what was seen, purely;
//! [`export`] and [`verify`] do it.

pub mod export;
pub mod pair;
pub mod pieces;
pub mod plan;
pub mod reseal;
pub mod since;
pub mod verify;
