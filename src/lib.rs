//! kmig upgrades a database under a running application.

pub mod place;
pub mod sql;
