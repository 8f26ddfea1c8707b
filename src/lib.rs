//! kmig upgrades a Postgres database under a running application, in two phases.

pub mod place;
pub mod sql;
