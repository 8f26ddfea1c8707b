//! A row whose cells have several write times and expiries, as the few statements that write each cell with its own. Pure.
//!
//! A statement has one write time and one time to live. Cells that share both go into one; columns outside of it stay
//! unset, so two prepared texts, an INSERT and an UPDATE that name every column, serve every row (facts of CQL on 5.0.9
//! and 4.1.10: unset writes nothing, null writes a tombstone). An element of a collection is added (`m = m + ?`), never
//! set: setting a collection deletes it first, and leaves that tombstone in every row.

use super::marker::Marker;
use super::row::Time;
use std::borrow::Cow;

/// Bytes of CQL, borrowed where they pass as they are.
pub type Raw<'a> = Cow<'a, [u8]>;

/// One column of a row that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Nothing is written to it.
    Absent,
    /// One cell.
    Whole {
        /// Its value.
        value: Raw<'a>,
        /// When it was written, and until when it lives.
        time: Time,
    },
    /// A collection or user-defined type that is not frozen.
    Elements(Vec<Element<'a>>),
}

/// An element of a collection, or a field of a user-defined type.
#[derive(Debug, Clone, PartialEq)]
pub struct Element<'a> {
    /// The key of a map's, the element itself of a set's.
    pub key: Option<Raw<'a>>,
    /// The value of a map's, a list's or a field.
    pub value: Option<Raw<'a>>,
    /// The place of a field.
    pub field: usize,
    /// When it was written, and until when it lives.
    pub time: Time,
}

impl Cell<'_> {
    /// The same with bytes of its own.
    pub fn into_owned(self) -> Cell<'static> {
        let own = |raw: Raw<'_>| Raw::Owned(raw.into_owned());
        match self {
            Cell::Absent => Cell::Absent,
            Cell::Whole { value, time } => Cell::Whole {
                value: own(value),
                time,
            },
            Cell::Elements(elements) => Cell::Elements(
                elements
                    .into_iter()
                    .map(|element| Element {
                        key: element.key.map(own),
                        value: element.value.map(own),
                        field: element.field,
                        time: element.time,
                    })
                    .collect(),
            ),
        }
    }

    /// Every time of it.
    pub fn times(&self) -> impl Iterator<Item = Time> {
        let (one, each) = match self {
            Cell::Absent => (None, [].as_slice()),
            Cell::Whole { time, .. } => (Some(*time), [].as_slice()),
            Cell::Elements(elements) => (None, elements.as_slice()),
        };
        one.into_iter()
            .chain(each.iter().map(|element| element.time))
    }
}

/// What a column of the target is, as far as statements differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One cell: a type without elements of its own, or a frozen one.
    Single,
    /// A set: `s = s + ?`.
    Set,
    /// A map: `m = m + ?`.
    Map,
    /// A list: `l = l + ?`, whose order is the order of the statements.
    List,
    /// A user-defined type of so many fields, each of which is set by itself: `u.f = ?`.
    Fields(usize),
}

/// How a statement writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// INSERT, which makes the row's marker and sets single cells.
    Insert,
    /// UPDATE, which makes no marker.
    Update,
}

/// What a statement gives to one column; columns that it does not name stay unset.
#[derive(Debug, Clone, PartialEq)]
pub enum Given<'a> {
    /// Sets the cell.
    Set(Raw<'a>),
    /// Adds elements, or sets fields.
    Add(Vec<Element<'a>>),
}

/// One statement of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Write<'a> {
    /// INSERT or UPDATE.
    pub verb: Verb,
    /// Write time of its cells in microseconds, and when they expire.
    pub time: Time,
    /// What it gives, by the column's place.
    pub given: Vec<(usize, Given<'a>)>,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grouped<'a> {
    /// The statements, in the order in which they are to be sent.
    pub writes: Vec<Write<'a>>,
    /// Cells and elements that had expired by now: they are gone on both sides.
    pub expired: usize,
}

/// The statements of a row at `now`, the server's clock in seconds since 1970. `cells` are those of its regular columns,
/// `shapes` what these are. A cell in its last second counts as gone: the server would show a time to live of 0, and
/// `USING TTL 0` means for ever.
pub fn row<'a>(cells: Vec<Cell<'a>>, shapes: &[Shape], marker: &Marker, now: i64) -> Grouped<'a> {
    let mark = marker.of(&cells);
    let mut grouped = statics(cells, shapes, now);
    if let Some(time) = mark.filter(|time| !time.is_gone(now)) {
        add_marker(&mut grouped.writes, time, shapes);
    }
    grouped
}

/// The statements of cells that have no marker: static columns.
pub fn statics<'a>(cells: Vec<Cell<'a>>, shapes: &[Shape], now: i64) -> Grouped<'a> {
    let mut grouped = Grouped::default();
    let Grouped { writes, expired } = &mut grouped;
    for (column, (cell, shape)) in cells.into_iter().zip(shapes).enumerate() {
        match cell {
            Cell::Absent => {}
            Cell::Whole { time, .. } if time.is_gone(now) => *expired += 1,
            Cell::Whole { value, time } => {
                let at = group(writes, time, 0);
                writes[at].given.push((column, Given::Set(value)));
            }
            Cell::Elements(mut elements) => {
                let all = elements.len();
                elements.retain(|element| !element.time.is_gone(now));
                *expired += all - elements.len();
                add(writes, column, elements, *shape);
            }
        }
    }
    grouped
}

/// The place of the UPDATE with this time, the first at or behind `from`; it is made where there is none.
fn group(writes: &mut Vec<Write<'_>>, time: Time, from: usize) -> usize {
    let found = writes[from.min(writes.len())..]
        .iter()
        .position(|write| write.time == time);
    found.map_or_else(
        || {
            writes.push(Write {
                verb: Verb::Update,
                time,
                given: Vec::new(),
            });
            writes.len() - 1
        },
        |at| from + at,
    )
}

/// A list's elements get their places from the order in which they are appended: a run of one time is one statement, and
/// each run comes behind the one before it. Others may come in any order.
fn add<'a>(writes: &mut Vec<Write<'a>>, column: usize, elements: Vec<Element<'a>>, shape: Shape) {
    let mut from = 0;
    let mut last: Option<(Time, usize)> = None;
    for element in elements {
        let at = match last {
            Some((time, at)) if time == element.time => at,
            _ => group(writes, element.time, from),
        };
        last = Some((element.time, at));
        if shape == Shape::List {
            from = at + 1;
        }
        let given = &mut writes[at].given;
        match given.iter_mut().find(|(of, _)| *of == column) {
            Some((_, Given::Add(elements))) => elements.push(element),
            _ => given.push((column, Given::Add(vec![element]))),
        }
    }
}

/// Adds the marker: by making the UPDATE of the same time an INSERT where that sets single cells alone, else by an INSERT
/// of the key.
fn add_marker(writes: &mut Vec<Write<'_>>, time: Time, shapes: &[Shape]) {
    let single = |write: &&mut Write<'_>| {
        let mut columns = write.given.iter().map(|(column, _)| *column);
        write.time == time && columns.all(|column| shapes[column] == Shape::Single)
    };
    match writes.iter_mut().find(single) {
        Some(write) => write.verb = Verb::Insert,
        None => writes.insert(
            0,
            Write {
                verb: Verb::Insert,
                time,
                given: Vec::new(),
            },
        ),
    }
}

#[cfg(test)]
mod tests;
