//! Ranges that replicas cannot read in one go: read in smaller ones, down to a single token.

use crate::error::Error;

/// How many pieces a range is cut into.
pub const CUT: usize = 8;

/// The error of a partition that replicas cannot read, where it is all that is left of a range.
pub fn unreadable(mut error: Error, table: &str, token: i64) -> Error {
    error.message = format!(
        "the partition with the token {token} of {table} cannot be read: {}",
        error.message
    );
    error.next("it may hold more tombstones than tombstone_failure_threshold allows: compact it, or raise that limit; then the same command")
}
