//! Rows as they are sent: their statements, and what their lists and counters hold once they are written. Pure but for the
//! driver's form of values.

use super::statements::{Bound, Columns, Slot, Text};
use crate::backup::cast::wire;
use crate::backup::group::Verb;
use crate::machine;
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use std::time::Duration;

/// The clock of the servers, which expiries are counted by.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Milliseconds since 1970, as a coordinator told them.
    pub told: i64,
    /// When it did, by [`machine::since_boot`]: the servers' clock goes on while this machine sleeps.
    pub at: Duration,
}

impl Clock {
    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        let since = machine::since_boot().saturating_sub(self.at);
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.told.saturating_add(since).div_euclid(1_000)
    }
}

/// A row as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The values of its key.
    pub key: Vec<Vec<u8>>,
    /// Its statements.
    pub statements: Vec<Bound>,
    /// For each of the writer's unrepeatable cells, what it holds once the row is written.
    pub unrepeatable: Vec<Expected>,
}

/// What a list or a counter holds once its row is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing is written to it.
    Nothing,
    /// The elements of a list, and whether each expires.
    List(Vec<(Vec<u8>, bool)>),
    /// A counter's value.
    Counter(i64),
}

impl Sent {
    /// Its bytes.
    pub fn size(&self) -> usize {
        self.statements
            .iter()
            .map(|bound| bound.bytes.len() + 2 * bound.slots.len())
            .sum()
    }

    /// Whether each element of its lists is a statement of its own, so that those that are not there can be added.
    pub(super) fn grows(&self) -> bool {
        self.statements.iter().any(|bound| bound.element.is_some())
    }

    /// What is to be added where its lists have been begun: of each cell so many elements are there.
    pub(super) fn lacking(&self, there: &[(usize, usize)]) -> Sent {
        let lacks = |bound: &&Bound| {
            bound.element.is_none_or(|(cell, place)| {
                let of_cell = there.iter().find(|(other, _)| *other == cell);
                of_cell.is_none_or(|(_, count)| place >= *count)
            })
        };
        Sent {
            statements: self.statements.iter().filter(lacks).cloned().collect(),
            ..self.clone()
        }
    }

    /// What it writes beside its lists and counters, which bears a repeat. The places are those of an UPDATE: where these stand,
    /// and where other cells do.
    pub(super) fn beside(&self, places: &[usize], others: &[usize]) -> Sent {
        let beside = |bound: &Bound| {
            if bound.element.is_some() {
                return None;
            }
            let mut bound = bound.clone();
            if bound.verb == Verb::Insert {
                return Some(bound);
            }
            for place in places {
                bound.slots[*place] = Slot::Null;
            }
            let writes = others
                .iter()
                .any(|place| bound.slots[*place] != Slot::Unset);
            writes.then_some(bound)
        };
        Sent {
            key: self.key.clone(),
            statements: self.statements.iter().filter_map(beside).collect(),
            unrepeatable: Vec::new(),
        }
    }

    /// Whether a repeat of it would not be the same.
    pub(super) fn unrepeatable(&self) -> bool {
        self.unrepeatable
            .iter()
            .any(|expected| *expected != Expected::Nothing)
    }
}

impl Expected {
    /// How much of what was to be written a value has, from its beginning, elements that may have expired counted as
    /// there; nothing where it has anything else.
    pub(super) fn begins(&self, value: &[u8]) -> Option<usize> {
        match self {
            Expected::Nothing => Some(0),
            Expected::Counter(number) => (value == number.to_be_bytes()).then_some(1),
            Expected::List(elements) => {
                let found: Vec<&[u8]> = wire::list(value).ok()?.into_iter().flatten().collect();
                let mut at = 0;
                for (count, (element, expires)) in elements.iter().enumerate() {
                    match found.get(at) {
                        None => return Some(count),
                        Some(next) if *next == element.as_slice() => at += 1,
                        Some(_) if *expires => {}
                        Some(_) => return None,
                    }
                }
                (at == found.len()).then_some(elements.len())
            }
        }
    }

    /// How much is to be written.
    pub(super) fn count(&self) -> usize {
        match self {
            Expected::Nothing => 0,
            Expected::Counter(_) => 1,
            Expected::List(elements) => elements.len(),
        }
    }
}

/// A statement with its values at one second, for the driver.
pub struct Values<'a> {
    /// The statement.
    pub bound: &'a Bound,
    /// The servers' clock, in seconds since 1970.
    pub now: i64,
}

impl SerializeRow for Values<'_> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        for slot in &self.bound.slots {
            let cell = writer.make_cell_writer();
            match slot {
                Slot::Value(start, end) => {
                    let value = &self.bound.bytes[*start..*end];
                    cell.set_value(value).map_err(SerializationError::new)?;
                }
                Slot::Ttl => {
                    let ttl = self.bound.expiry.map_or(0, |expiry| expiry - self.now);
                    let ttl = i32::try_from(ttl).unwrap_or(i32::MAX);
                    cell.set_value(&ttl.to_be_bytes())
                        .map_err(SerializationError::new)?;
                }
                Slot::Unset => {
                    cell.set_unset();
                }
                Slot::Null => {
                    cell.set_null();
                }
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// The statements of a table's part, before they are prepared.
#[derive(Debug, Clone)]
pub struct Texts {
    /// Makes markers and sets single cells.
    pub insert: Option<Text>,
    /// Writes every cell.
    pub update: Option<Text>,
    /// Cells that cannot be written twice: lists, counters.
    pub unrepeatable: Vec<usize>,
    /// Whether it is a table of counters.
    pub counts: bool,
}

impl Texts {
    /// Those of some columns; static ones have no marker.
    pub fn of(columns: &Columns<'_>, has_marker: bool) -> Self {
        let counts = columns.cells.iter().any(|column| column.is_counter());
        let unrepeatable = columns.cells.iter().enumerate();
        let unrepeatable = unrepeatable.filter(|(_, column)| column.is_unrepeatable());
        Texts {
            insert: (has_marker && !counts).then(|| columns.insert()),
            update: match counts {
                true => Some(columns.count()),
                false => columns.update(),
            },
            unrepeatable: unrepeatable.map(|(at, _)| at).collect(),
            counts,
        }
    }

    /// The text of a verb.
    pub fn text(&self, verb: Verb) -> Option<&Text> {
        match verb {
            Verb::Insert => self.insert.as_ref(),
            Verb::Update => self.update.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(verb: Verb, slots: &[Slot], element: Option<(usize, usize)>) -> Bound {
        Bound {
            verb,
            expiry: None,
            slots: slots.to_vec(),
            bytes: vec![7],
            element,
        }
    }

    fn sent(statements: Vec<Bound>) -> Sent {
        Sent {
            key: Vec::new(),
            statements,
            unrepeatable: vec![Expected::List(vec![(vec![7], false)])],
        }
    }

    #[test]
    fn what_stands_beside_a_list_bears_a_repeat() {
        let value = Slot::Value(0, 1);
        let insert = bound(Verb::Insert, &[value], None);
        let both = bound(Verb::Update, &[value, value], None);
        let list = bound(Verb::Update, &[value, Slot::Unset], None);
        let row = sent(vec![insert.clone(), both, list]);
        let beside = row.beside(&[0], &[1]);
        let other = bound(Verb::Update, &[Slot::Null, value], None);
        assert_eq!(beside.statements, [insert, other]);
        assert!(row.unrepeatable() && !beside.unrepeatable());
    }

    #[test]
    fn elements_that_are_there_are_not_added_again() {
        let element = |place| bound(Verb::Update, &[Slot::Value(0, 1)], Some((0, place)));
        let other = bound(Verb::Update, &[Slot::Null], None);
        let row = sent(vec![other.clone(), element(0), element(1)]);
        assert_eq!(
            row.lacking(&[(0, 1)]).statements,
            [other.clone(), element(1)]
        );
        assert!(row.lacking(&[(0, 1)]).unrepeatable());
        assert!(row.beside(&[0], &[]).statements.is_empty());
    }
}
