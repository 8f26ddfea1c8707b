//! In which token ranges a table is read, and through which member each. Pure.

use crate::backup::TokenRange;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Bytes of a range, about: one file, and what is read again where it is interrupted.
const RANGE: u64 = 128 << 20;

/// Below this a table is not worth more than one file.
const SMALL: u64 = 8 << 20;

/// The ranges of a shard of a table that has so many bytes in all, as far as the servers know. `side_by_side` of them are
/// read at once.
pub fn ranges(bytes: u64, shard: (usize, usize), side_by_side: usize) -> Vec<TokenRange> {
    let share = TokenRange::RING.shard(shard.0, shard.1);
    let bytes = bytes / shard.1.max(1) as u64;
    let pieces = usize::try_from(bytes.div_ceil(RANGE)).unwrap_or(usize::MAX);
    let pieces = match bytes > SMALL {
        // Twice as many: the last one to end is not alone for long.
        true => pieces.max(side_by_side * 2),
        false => 1,
    };
    share.cut(pieces)
}

/// The tokens of the ring and who owns each: a token belongs to the first one that is not below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ring(Vec<(i64, Uuid)>);

impl Ring {
    /// Of every member's tokens.
    pub fn new(mut tokens: Vec<(i64, Uuid)>) -> Self {
        tokens.sort_unstable();
        Ring(tokens)
    }

    /// Whether both are of one cluster: a member of the one is a member of the other.
    pub fn shares_a_member(&self, other: &Ring) -> bool {
        let members = |ring: &Ring| ring.0.iter().map(|(_, owner)| *owner).collect();
        let (one, other): (BTreeSet<Uuid>, BTreeSet<Uuid>) = (members(self), members(other));
        !one.is_disjoint(&other)
    }

    /// The member that owns the middle of a range: a replica of most of it.
    pub fn owner(&self, range: &TokenRange) -> Option<Uuid> {
        let middle = (i128::from(range.after) + i128::from(range.to)) / 2;
        let at = self
            .0
            .partition_point(|(token, _)| i128::from(*token) < middle);
        self.0.get(at).or(self.0.first()).map(|(_, owner)| *owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_any_size_cover_the_ring_once() {
        for bytes in [0, SMALL, SMALL + 1, 5 * RANGE, 1 << 40] {
            for shards in [1, 2, 16] {
                let all: Vec<TokenRange> = (0..shards)
                    .flat_map(|at| ranges(bytes, (at, shards), 4))
                    .collect();
                assert_eq!(TokenRange::RING.uncovered(&all), (vec![], vec![]));
            }
        }
        assert_eq!(ranges(0, (0, 1), 4).len(), 1);
        assert_eq!(ranges(SMALL + 1, (0, 1), 4).len(), 8);
        assert_eq!(ranges(100 * RANGE, (0, 1), 4).len(), 100);
    }

    #[test]
    fn one_cluster_is_known_by_its_members() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let ring = Ring::new(vec![(100, b), (0, a)]);
        assert!(ring.shares_a_member(&Ring::new(vec![(7, c), (8, a)])));
        assert!(!ring.shares_a_member(&Ring::new(vec![(0, c)])));
    }

    #[test]
    fn a_range_is_read_through_its_owner() {
        let [a, b] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let ring = Ring::new(vec![(100, b), (0, a)]);
        let owner = |after, to| ring.owner(&TokenRange { after, to });
        assert_eq!(owner(-50, 0), Some(a));
        assert_eq!(owner(0, 100), Some(b));
        assert_eq!(owner(150, 300), Some(a));
        assert_eq!(Ring::default().owner(&TokenRange::RING), None);
    }
}
