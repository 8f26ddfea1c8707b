//! kmig upgrades a Postgres database under a running application, in two phases.
//!
//! Data flows one way: [`source`] reads files into values, [`plan`] decides from values, [`execute`] does it through a
//! [`backend`], [`report`] tells. [`commands`] string these together, one file per verb; [`shell`] is the program
//! around them.

pub mod backend;
pub mod backup;
pub mod cli;
pub mod commands;
pub mod cql;
pub mod directive;
pub mod error;
pub mod execute;
pub mod gate;
pub mod keyspace;
pub mod machine;
pub mod near;
pub mod place;
pub mod plan;
pub mod report;
pub mod run;
pub mod safety;
pub mod settings;
pub mod shell;
pub mod source;
pub mod sql;
