//! What a page of the protocol and a block of a file have in common: rows of borrowed bytes. Pure.

/// One column of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell<'a> {
    /// The value as the protocol carries it (version 4, section 6): nothing for null, no bytes for an empty value.
    pub value: Option<&'a [u8]>,
    /// When it was written, and until when it lives.
    pub times: Times<'a>,
}

/// Write times and expiries of a column of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Times<'a> {
    /// There are none: the column is null, part of the key, or a counter.
    None,
    /// One cell.
    One(Time),
    /// A collection or user-defined type that is not frozen: one for each element or field, in the order of the value.
    /// Fields that are null have none.
    Each(&'a [Option<Time>]),
}

/// When a cell was written, and until when it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Microseconds since 1970, as WRITETIME shows it.
    pub write: i64,
    /// The second since 1970 from which on it is gone; nothing where it stays for ever.
    pub expiry: Option<i64>,
}

impl Time {
    /// Whether it is gone at that second.
    pub fn is_gone(&self, second: i64) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= second)
    }
}

impl<'a> Cell<'a> {
    /// Null.
    pub const NULL: Cell<'static> = Cell {
        value: None,
        times: Times::None,
    };

    /// A value of a key or of a counter.
    pub fn timeless(value: Option<&'a [u8]>) -> Self {
        Cell {
            value,
            times: Times::None,
        }
    }
}

impl<'a> Times<'a> {
    /// Every time of the column.
    pub fn each(&self) -> impl Iterator<Item = Time> + 'a {
        let (one, each) = match *self {
            Times::None => (None, [].as_slice()),
            Times::One(time) => (Some(time), [].as_slice()),
            Times::Each(each) => (None, each),
        };
        one.into_iter().chain(each.iter().flatten().copied())
    }
}

/// One row: a cell for each column of its shape, in the shape's order, the key first.
pub type Row<'a> = [Cell<'a>];

/// The room of a vector, for cells of another row: it is made once, not for every row.
pub fn emptied<'a>(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'a>> {
    cells.clear();
    // There are none, so that only the room is left of it, which the standard library uses again.
    cells.into_iter().map(|_| Cell::NULL).collect()
}
