//! The rules for CQL, as data.

use crate::safety::rule::Rule;

/// The rules of this file, in the order in which they are listed.
pub static RULES: &[&Rule] = &[];
