//! The row marker: what keeps a row whose cells are all gone. INSERT writes it, UPDATE does not, and CQL tells neither its
//! write time nor its expiry, so each table has a policy that is named before the first row (traps C14). Pure.

use super::group::Cell;
use super::row::Time;

/// Which rows of a table get a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// All. A row that was made by UPDATE alone outlives its cells then.
    Insert,
    /// Those without cells, which have one for certain. A row that was made by INSERT goes with its last cell then.
    None,
}

impl Policy {
    /// Its word on the command line and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Insert => "insert",
            Policy::None => "none",
        }
    }

    /// The policy of a word.
    pub fn read(word: &str) -> Option<Policy> {
        match word {
            "insert" => Some(Policy::Insert),
            "none" => Some(Policy::None),
            _ => None,
        }
    }
}

/// How markers of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Which rows get one.
    pub policy: Policy,
    /// The write time of a marker that nothing tells the time of, in microseconds: when the export began. What the source
    /// deletes afterwards, and what the new application writes, is later.
    pub cut_off: i64,
}

impl Marker {
    /// The marker of a row with these regular cells.
    pub fn of(&self, cells: &[Cell<'_>]) -> Option<Time> {
        // Neither later than any cell, so that no delete of the source is missed, nor gone before the last one.
        let widest_of_all = cells.iter().flat_map(Cell::times).reduce(widest);
        match (widest_of_all, self.policy) {
            (None, _) => Some(Time {
                write: self.cut_off,
                expiry: None,
            }),
            (Some(_), Policy::None) => None,
            (widest, Policy::Insert) => widest,
        }
    }
}

/// The earlier write time of two, and the later expiry.
pub fn widest(one: Time, other: Time) -> Time {
    Time {
        write: one.write.min(other.write),
        expiry: match (one.expiry, other.expiry) {
            (Some(one), Some(other)) => Some(one.max(other)),
            _ => None,
        },
    }
}

/// What is known of the ways in which a table's rows are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Rows without any regular cell, which only a marker can show.
    pub bare_rows: u64,
    /// Whether it has regular columns at all.
    pub has_cells: bool,
    /// Statements that INSERT into the table among those that the source's nodes hold prepared.
    pub inserts: usize,
    /// Those that UPDATE it.
    pub updates: usize,
}

/// The policy of a table whose owner named none, and why it is that one.
pub fn choose(evidence: Evidence) -> (Policy, &'static str) {
    match evidence {
        Evidence {
            has_cells: false, ..
        } => (
            Policy::Insert,
            "it has no columns beside its key: a row is its marker",
        ),
        Evidence { bare_rows: 1.., .. } => (
            Policy::Insert,
            "it has rows without cells, which INSERT has made",
        ),
        Evidence { inserts: 1.., .. } => (
            Policy::Insert,
            "the source's nodes hold prepared INSERTs of it",
        ),
        Evidence { updates: 1.., .. } => (
            Policy::None,
            "the source's nodes hold prepared UPDATEs of it and no INSERT",
        ),
        _ => (
            Policy::Insert,
            "nothing tells how its rows are made, and INSERT is usual",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::group::Element;
    use std::borrow::Cow;

    fn time(write: i64, expiry: Option<i64>) -> Time {
        Time { write, expiry }
    }

    fn whole(write: i64, expiry: Option<i64>) -> Cell<'static> {
        Cell::Whole {
            value: Cow::Borrowed(b"v"),
            time: time(write, expiry),
        }
    }

    fn of(policy: Policy, cells: &[Cell<'_>]) -> Option<Time> {
        let marker = Marker {
            policy,
            cut_off: 1_000,
        };
        marker.of(cells)
    }

    #[test]
    fn a_row_without_cells_has_a_marker_for_certain() {
        for policy in [Policy::Insert, Policy::None] {
            assert_eq!(of(policy, &[Cell::Absent]), Some(time(1_000, None)));
            assert_eq!(of(policy, &[]), Some(time(1_000, None)));
        }
    }

    #[test]
    fn one_time_is_the_markers_too() {
        let cells = [whole(5, Some(90)), Cell::Absent, whole(5, Some(90))];
        assert_eq!(of(Policy::Insert, &cells), Some(time(5, Some(90))));
    }

    #[test]
    fn several_times_give_the_earliest_time_and_the_longest_life() {
        let cells = [whole(7, Some(90)), whole(5, Some(40))];
        assert_eq!(of(Policy::Insert, &cells), Some(time(5, Some(90))));
        let cells = [whole(7, Some(90)), whole(9, None)];
        assert_eq!(of(Policy::Insert, &cells), Some(time(7, None)));
    }

    #[test]
    fn elements_count_as_cells() {
        let element = |write, expiry| Element {
            key: Some(Cow::Borrowed(b"a")),
            value: None,
            field: 0,
            time: time(write, expiry),
        };
        let cells = [
            Cell::Elements(vec![element(3, Some(10)), element(4, None)]),
            whole(9, Some(50)),
        ];
        assert_eq!(of(Policy::Insert, &cells), Some(time(3, None)));
    }

    #[test]
    fn under_none_cells_bear_the_row_alone() {
        assert_eq!(of(Policy::None, &[whole(5, None)]), None);
    }

    #[test]
    fn the_choice_follows_the_strongest_evidence() {
        let evidence = |has_cells, bare_rows, inserts, updates| Evidence {
            bare_rows,
            has_cells,
            inserts,
            updates,
        };
        let policy = |evidence| choose(evidence).0;
        assert_eq!(policy(evidence(false, 0, 0, 5)), Policy::Insert);
        assert_eq!(policy(evidence(true, 1, 0, 5)), Policy::Insert);
        assert_eq!(policy(evidence(true, 0, 2, 5)), Policy::Insert);
        assert_eq!(policy(evidence(true, 0, 0, 5)), Policy::None);
        assert_eq!(policy(evidence(true, 0, 0, 0)), Policy::Insert);
    }

    #[test]
    fn policies_have_words() {
        for policy in [Policy::Insert, Policy::None] {
            assert_eq!(Policy::read(policy.word()), Some(policy));
        }
        assert_eq!(Policy::read("update"), None);
    }
}
