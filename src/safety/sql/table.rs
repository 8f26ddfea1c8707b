//! The one table of rules for SQL, as data, in files by what they are about. The facts are of the server's documentation of
//! each statement, and of what servers were seen to lock, scan and rewrite.

pub mod changes;
pub mod drops;
pub mod locks;
pub mod unknown;

use crate::safety::rule::Rule;

/// The files, in the order in which they are listed.
pub static TABLE: &[&[&Rule]] = &[drops::RULES, changes::RULES, locks::RULES, unknown::RULES];
