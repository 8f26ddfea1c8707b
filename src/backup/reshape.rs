//! What may be wrong in rows that another engine wrote, beyond what their columns cannot hold. Pure.

use super::cast::show;
use super::codec::elements;
use super::digest::{Digester, Sum};
use super::kind::{CqlType, Native};
use super::row::{Cell, Row, Time, Times};
use super::table::{Column, Role};
use std::collections::BTreeMap;

/// Bytes of a key's column, at most (org.apache.cassandra.utils.FBUtilities.MAX_UNSIGNED_SHORT).
const KEY_MAX: usize = 65_535;

/// Seconds of a time to live, at most: 20 years (org.apache.cassandra.cql3.Attributes.MAX_TTL).
const TTL_MAX: i64 = 630_720_000;

/// Microseconds by which a write time may be ahead of the servers' clock: engines run on other machines.
const AHEAD: i64 = 60_000_000;

/// 2008-01-01 in microseconds: Cassandra is no older. Milliseconds that are taken for microseconds are all before it.
const EARLY: i64 = 1_199_145_600_000_000;

/// Letters of a value that are shown, at most.
const SHOWN: usize = 80;

/// By what rows are judged.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The columns of a row, in order.
    pub columns: Vec<Column>,
    /// The servers' clock, in microseconds since 1970.
    pub now: i64,
    /// The latest write time of the export, in microseconds: what it has may be carried over.
    pub max_write: Option<i64>,
}

/// Something that is wrong in a column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The first row that has it, from 1.
    pub row: u64,
    /// The column.
    pub column: String,
    /// What it is, with the value.
    pub why: String,
    /// How many more rows have it.
    pub more: u64,
}

/// What the rows of a file come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// Their sum, as of an export's file.
    pub sum: Sum,
    /// What is wrong, by the column's place and the kind of it.
    wrong: BTreeMap<(usize, Kind), Wrong>,
    /// Values without a write time, by column.
    pub untimed: BTreeMap<String, u64>,
    /// Write times of before there was a Cassandra: how many, and the first of them.
    pub early: Option<(u64, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Null,
    Empty,
    Long,
    Malformed,
    Element,
    Before,
    Ahead,
    Expiry,
}

impl Checked {
    /// What is wrong, column by column.
    pub fn wrong(&self) -> impl Iterator<Item = &Wrong> {
        self.wrong.values()
    }

    /// Adds a row, the `at`th of its file, from 1; the digest of its key.
    pub fn row(&mut self, judge: &Judge, digester: &mut Digester, at: u64, row: &Row<'_>) -> u128 {
        let keys = judge.columns.iter();
        let partition = keys.filter(|column| column.role == Role::Partition).count();
        for (place, (column, cell)) in judge.columns.iter().zip(row).enumerate() {
            let mut wrong = |kind, why| self.add(judge, (place, kind), at, why);
            let Some(value) = cell.value else {
                if column.role.is_key() {
                    wrong(Kind::Null, "it is null, and part of the key".to_string());
                }
                continue;
            };
            if column.role.is_key() && value.len() > KEY_MAX {
                let length = value.len();
                wrong(
                    Kind::Long,
                    format!("it has {length} bytes, and a key has {KEY_MAX} at most"),
                );
            }
            if value.is_empty() && column.role == Role::Partition && partition == 1 {
                wrong(
                    Kind::Empty,
                    "it is empty, and all of the partition key".to_string(),
                );
            }
            if let Err(why) = well_formed(&column.kind, value) {
                wrong(
                    Kind::Malformed,
                    format!("{} {why}", shown(&column.kind, value)),
                );
            }
            if column.is_timed() {
                self.times(judge, place, at, cell, value);
            }
        }
        let digest = digester.row(&judge.columns, row, i64::MIN);
        self.sum.add(&digest);
        digest.key
    }

    fn add(&mut self, judge: &Judge, what: (usize, Kind), row: u64, why: String) {
        let known = self.wrong.entry(what);
        known.and_modify(|wrong| wrong.more += 1).or_insert(Wrong {
            row,
            column: judge.columns[what.0].name.clone(),
            why,
            more: 0,
        });
    }

    fn times(&mut self, judge: &Judge, place: usize, at: u64, cell: &Cell<'_>, value: &[u8]) {
        let column = &judge.columns[place];
        match cell.times {
            // An empty collection is null, and null has no time.
            Times::None if column.composed && elements(&column.kind, value).next().is_none() => {}
            Times::None => *self.untimed.entry(column.name.clone()).or_default() += 1,
            Times::One(_) => {}
            Times::Each(times) => {
                let pairs = elements(&column.kind, value).zip(times);
                let mut bare = pairs.filter(|(element, time)| element.is_some() && time.is_none());
                if bare.next().is_some() {
                    let why = "one of its elements has no write time, and others have";
                    self.add(judge, (place, Kind::Element), at, why.to_string());
                }
            }
        }
        let latest = (judge.now + AHEAD).max(judge.max_write.unwrap_or(i64::MIN));
        let dies = judge.now.div_euclid(1_000_000) + TTL_MAX;
        for Time { write, expiry } in cell.times.each() {
            if (0..EARLY).contains(&write) {
                let (count, _) = self.early.get_or_insert((0, write));
                *count += 1;
            }
            let mut wrong = |kind, why| self.add(judge, (place, kind), at, why);
            if write < 0 {
                let why = format!("written at {write}, before 1970: microseconds are meant");
                wrong(Kind::Before, why);
            } else if write > latest {
                let why = format!(
                    "written at {write}, which is {} s ahead of the servers' clock: microseconds since 1970 are meant",
                    (write - judge.now) / 1_000_000
                );
                wrong(Kind::Ahead, why);
            }
            if let Some(expiry) = expiry.filter(|expiry| *expiry < 0 || *expiry > dies) {
                let why = format!(
                    "expires at {expiry}: a second since 1970 is meant, and a value lives 20 years at most"
                );
                wrong(Kind::Expiry, why);
            }
        }
    }
}

/// Whether bytes that did not come out of a column of their type are a value of it.
fn well_formed(kind: &CqlType, value: &[u8]) -> Result<(), String> {
    let CqlType::Native(native) = kind else {
        return Ok(());
    };
    let length = match native {
        Native::Tinyint | Native::Boolean => 1,
        Native::Smallint => 2,
        Native::Int | Native::Float | Native::Date => 4,
        Native::Bigint | Native::Counter | Native::Double | Native::Timestamp | Native::Time => 8,
        Native::Uuid => 16,
        Native::Timeuuid if value.len() == 16 && value[6] >> 4 != 1 => {
            return Err("is no timeuuid: it is not of version 1".to_string());
        }
        Native::Timeuuid => 16,
        _ => return Ok(()),
    };
    match value.len() {
        0 => Ok(()),
        found if found == length => Ok(()),
        found => Err(format!(
            "has {found} bytes, and a {} has {length}",
            native.name()
        )),
    }
}

/// A value, the beginning of a long one.
pub fn shown(kind: &CqlType, value: &[u8]) -> String {
    let text = show(kind, value);
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Types;

    const NOW: i64 = 1_790_000_000_000_000;

    fn judge() -> Judge {
        let columns = [
            ("id", Role::Partition, "text"),
            ("v", Role::Regular, "text"),
            ("l", Role::Regular, "list<int>"),
            ("u", Role::Regular, "timeuuid"),
        ];
        let columns = columns.iter().map(|(name, role, kind)| {
            Column::read(name, *role, kind, &Types::new()).expect("a column")
        });
        Judge {
            columns: columns.collect(),
            now: NOW,
            max_write: None,
        }
    }

    const LIST: &[u8] = &[0, 0, 0, 2, 0, 0, 0, 1, 7, 0, 0, 0, 1, 8];

    fn one<'a>(value: &'a [u8], write: i64, expiry: Option<i64>) -> Cell<'a> {
        Cell {
            value: Some(value),
            times: Times::One(Time { write, expiry }),
        }
    }

    fn checked(judge: &Judge, rows: &[[Cell<'_>; 4]]) -> Checked {
        let (mut checked, mut digester) = (Checked::default(), Digester::default());
        for (at, row) in rows.iter().enumerate() {
            checked.row(judge, &mut digester, at as u64 + 1, row);
        }
        checked
    }

    fn words(checked: &Checked) -> Vec<(u64, &str, &str, u64)> {
        let wrong = checked.wrong();
        wrong
            .map(|wrong| {
                (
                    wrong.row,
                    wrong.column.as_str(),
                    wrong.why.as_str(),
                    wrong.more,
                )
            })
            .collect()
    }

    #[test]
    fn keys_are_neither_null_nor_empty() {
        let null = [Cell::NULL; 4];
        let mut good = null;
        good[0] = Cell::timeless(Some(b"a"));
        let mut empty = null;
        empty[0] = Cell::timeless(Some(b""));
        let found = checked(&judge(), &[good, null, empty, null]);
        assert_eq!(found.sum.rows, 4);
        assert_eq!(
            words(&found),
            [
                (2, "id", "it is null, and part of the key", 1),
                (3, "id", "it is empty, and all of the partition key", 0)
            ]
        );
    }

    #[test]
    fn times_are_plausible() {
        let row = |cell| [Cell::timeless(Some(b"a")), cell, Cell::NULL, Cell::NULL];
        let dies = NOW / 1_000_000;
        for (cell, word) in [
            (one(b"v", -1, None), "before 1970"),
            (one(b"v", NOW * 1_000, None), "ahead of the servers' clock"),
            (one(b"v", NOW, Some(-3)), "20 years"),
            (one(b"v", NOW, Some(dies * 1_000)), "20 years"),
        ] {
            let found = checked(&judge(), &[row(cell)]);
            assert_eq!(words(&found).len(), 1, "{word}");
            assert!(words(&found)[0].2.contains(word), "{found:?}");
        }
        let good = [one(b"v", NOW + 1, Some(dies + 60)), one(b"v", NOW, Some(1))];
        let found = checked(&judge(), &good.map(row));
        assert!(
            words(&found).is_empty() && found.early.is_none(),
            "{found:?}"
        );
        // What the export has already may be carried over.
        let known = Judge {
            max_write: Some(NOW * 2),
            ..judge()
        };
        assert!(words(&checked(&known, &[row(one(b"v", NOW * 2, None))])).is_empty());
        // Milliseconds.
        let found = checked(&judge(), &[row(one(b"v", NOW / 1_000, None))]);
        assert_eq!(found.early, Some((1, NOW / 1_000)));
    }

    #[test]
    fn values_without_times_are_counted_and_elements_without_them_are_wrong() {
        let time = Some(Time {
            write: NOW,
            expiry: None,
        });
        let (both, one) = ([time, time], [time, None]);
        let row = |times| {
            let list = Cell {
                value: Some(LIST),
                times,
            };
            [
                Cell::timeless(Some(b"a")),
                Cell::timeless(Some(b"v")),
                list,
                Cell::NULL,
            ]
        };
        let found = checked(&judge(), &[row(Times::None), row(Times::Each(&both))]);
        let counted = [("l".to_string(), 1), ("v".to_string(), 2)];
        assert_eq!(found.untimed, counted.into());
        assert!(words(&found).is_empty());
        let found = checked(&judge(), &[row(Times::Each(&one))]);
        assert_eq!(words(&found)[0].1, "l");
    }

    #[test]
    fn bytes_are_of_their_type() {
        let row = |value| {
            let mut row = [Cell::NULL; 4];
            row[0] = Cell::timeless(Some(b"a"));
            row[3] = one(value, NOW, None);
            row
        };
        let mut first = [0; 16];
        first[6] = 0x10;
        assert!(words(&checked(&judge(), &[row(&first), row(b"")])).is_empty());
        let found = checked(&judge(), &[row(&[0x40; 16]), row(&[0; 3])]);
        assert_eq!(words(&found).len(), 1);
        assert!(words(&found)[0].2.contains("not of version 1"), "{found:?}");
    }
}
