//! A keyspace as files: what a row is, which Parquet columns it becomes, what the manifest says, and the digests that prove
//! two sides equal. docs/export.md describes the same for readers of other languages.
//!
//! Data goes one way. [`row::Row`] is what a page of the protocol and a block of a file have in common: borrowed bytes of
//! CQL, each with its write time and expiry. [`layout::Layout`] says which Parquet columns they become;
//! [`write::Writer`] and [`read::Reader`] do it over the traits of std::io; [`digest`] sums them up. Everything is pure
//! but [`archive`], the only one that knows a directory.

pub mod archive;
pub mod cast;
pub mod codec;
pub mod compare;
pub mod convert;
pub mod digest;
pub mod gone;
pub mod group;
pub mod keys;
pub mod kind;
pub mod layout;
pub mod manifest;
pub mod mapping;
pub mod marker;
pub mod preflight;
pub mod read;
pub mod reshape;
#[cfg(test)]
mod round_trip;
pub mod row;
pub mod schema_text;
pub mod since;
pub mod table;
pub mod write;

use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the folder's format: what a kmig reads that wrote another one is refused.
pub const FORMAT: u32 = 1;

/// Tokens of Murmur3 above `after`, up to and including `to`.
///
/// No key has the lowest token, -2^63, so the ring is covered by ranges from there to 2^63 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenRange {
    /// The lower end, which is not in it.
    pub after: i64,
    /// The upper end, which is in it.
    pub to: i64,
}

impl TokenRange {
    /// The whole ring.
    pub const RING: TokenRange = TokenRange {
        after: i64::MIN,
        to: i64::MAX,
    };

    /// What stands in the names of its files: both ends, moved to where no sign is needed, so that names sort as tokens do.
    pub fn stem(&self) -> String {
        let unsigned = |token: i64| (token as u64) ^ (1 << 63);
        format!("{:016x}-{:016x}", unsigned(self.after), unsigned(self.to))
    }

    /// So many neighbours of about the same width that make it up, fewer where it is narrower.
    pub fn cut(&self, pieces: usize) -> Vec<TokenRange> {
        let width = i128::from(self.to) - i128::from(self.after);
        let pieces = i128::try_from(pieces).unwrap_or(1).clamp(1, width.max(1));
        let end = |piece: i128| {
            let token = i128::from(self.after) + width * piece / pieces;
            i64::try_from(token).unwrap_or(self.to)
        };
        let ends = (0..pieces).map(|piece| TokenRange {
            after: end(piece),
            to: end(piece + 1),
        });
        ends.collect()
    }

    /// The share of one of several shards.
    pub fn shard(&self, at: usize, of: usize) -> TokenRange {
        self.cut(of).get(at).copied().unwrap_or(*self)
    }

    /// What some ranges leave out of this one, and what more than one of them covers.
    pub fn uncovered(&self, ranges: &[TokenRange]) -> (Vec<TokenRange>, Vec<TokenRange>) {
        let mut sorted = ranges.to_vec();
        sorted.sort();
        let (mut holes, mut doubles) = (Vec::new(), Vec::new());
        let mut at = self.after;
        for range in sorted {
            if range.after > at {
                holes.push(TokenRange {
                    after: at,
                    to: range.after,
                });
            } else if range.after < at {
                doubles.push(TokenRange {
                    after: range.after,
                    to: at.min(range.to),
                });
            }
            at = at.max(range.to);
        }
        if at < self.to {
            holes.push(TokenRange {
                after: at,
                to: self.to,
            });
        }
        (holes, doubles)
    }
}

impl fmt::Display for TokenRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}]", self.after, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(after: i64, to: i64) -> TokenRange {
        TokenRange { after, to }
    }

    #[test]
    fn pieces_make_up_the_whole() {
        for pieces in [1, 2, 3, 7, 1000] {
            let cut = TokenRange::RING.cut(pieces);
            assert_eq!(cut.len(), pieces);
            assert_eq!(TokenRange::RING.uncovered(&cut), (vec![], vec![]));
            let names: Vec<String> = cut.iter().map(TokenRange::stem).collect();
            assert!(names.is_sorted());
        }
        assert_eq!(range(0, 2).cut(5), [range(0, 1), range(1, 2)]);
    }

    #[test]
    fn holes_and_doubles_are_found() {
        let (holes, doubles) =
            range(0, 100).uncovered(&[range(50, 90), range(0, 20), range(10, 30)]);
        assert_eq!(holes, [range(30, 50), range(90, 100)]);
        assert_eq!(doubles, [range(10, 20)]);
    }
}
