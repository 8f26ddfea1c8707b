//! kmig upgrades a Postgres database under a running application, in two phases.

pub mod backend;
pub mod error;
pub mod execute;
pub mod place;
pub mod plan;
pub mod source;
pub mod sql;
