//! The rows of an answer, taken apart in the server's bytes.

use super::select::{Selection, Slot};
use super::token::token;
use crate::backup::codec::elements;
use crate::backup::codec::wire::Wire;
use crate::backup::manifest::ElementTimes;
use crate::backup::row::{Cell, Row, Time, Times, emptied};
use crate::backup::table::{Part, Role};
use crate::error::{Error, Result};
use bytes::Bytes;
use scylla::deserialize::row::ColumnIterator;
use scylla::response::query_result::QueryRowsResult;
use std::sync::Arc;

/// The rows of an answer, in the server's bytes, one of which it stands at.
#[derive(Clone)]
pub struct Page {
    selection: Arc<Selection>,
    /// The coordinator's clock at this page, in milliseconds since 1970; nothing where it has no rows.
    pub now: Option<i64>,
    /// Its rows, as the protocol carries them.
    bytes: Bytes,
    rows: usize,
    /// Rows behind the one that it stands at, and where the first of them begins.
    left: usize,
    next: usize,
    /// The row that it stands at: where its values are, and their times.
    kept: Vec<(Option<(usize, usize)>, Kept)>,
    each: Vec<Option<Time>>,
}

/// Times of a column of a row.
#[derive(Clone)]
enum Kept {
    None,
    One(Time),
    Each(usize, usize),
    Untold,
}

impl Page {
    pub(super) fn of(answer: &QueryRowsResult, selection: Arc<Selection>) -> Result<Self, String> {
        let first = answer
            .maybe_first_row::<ColumnIterator<'_, '_>>()
            .map_err(|error| error.to_string())?;
        let (bytes, now) = match first.and_then(Iterator::last) {
            None => (Bytes::new(), None),
            Some(column) => {
                let slice = column.map_err(|error| error.to_string())?.slice;
                let slice = slice.ok_or("it tells no time")?;
                let now = slice.as_slice().try_into();
                let now = i64::from_be_bytes(now.map_err(|_| "it tells no time")?);
                // The driver's bytes of all rows, from the first one on: what it makes of them one by one is a second look
                // at each value.
                (slice.as_original_frame_bytes().clone(), Some(now))
            }
        };
        if bytes.len() != answer.rows_bytes_size() {
            return Err("its rows are not all of its bytes".to_string());
        }
        Ok(Page {
            selection,
            now,
            bytes,
            rows: answer.rows_num(),
            left: answer.rows_num(),
            next: 0,
            kept: Vec::new(),
            each: Vec::new(),
        })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their bytes, as the protocol carries them.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Hands over each row that is left.
    ///
    /// # Errors
    /// As [`Page::advance`], or `take` fails.
    pub fn each(mut self, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut room = Vec::new();
        while self.advance()? {
            let mut cells = emptied(room);
            self.row(&mut cells);
            take(&cells)?;
            room = emptied(cells);
        }
        Ok(())
    }

    /// Goes on to the next row; whether there is one. Partitions without a static value are none of the statics, and ones
    /// without a row none of the rows.
    ///
    /// # Errors
    /// The answer is not what was asked for.
    pub fn advance(&mut self) -> Result<bool> {
        while self.left > 0 {
            self.left -= 1;
            self.take_apart().map_err(unreadable)?;
            if !self.skipped() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The token of its last row, ones included that [`Page::advance`] passes over; nothing where it has none.
    ///
    /// # Errors
    /// The answer is not what was asked for.
    pub fn last_token(mut self) -> Result<Option<i64>> {
        if self.is_empty() {
            return Ok(None);
        }
        while self.left > 0 {
            self.left -= 1;
            self.take_apart().map_err(unreadable)?;
        }
        let columns = self.selection.columns.iter().zip(&self.kept);
        let partition = columns.filter(|(column, _)| column.role == Role::Partition);
        let values: Vec<&[u8]> = partition
            .map(|(_, (value, _))| value.map_or(&[][..], |(start, end)| &self.bytes[start..end]))
            .collect();
        Ok(Some(token(values.into_iter())))
    }

    /// Puts the cells of the row that it stands at into `cells`, in the selection's order.
    pub fn row<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.clear();
        cells.extend(self.kept.iter().map(|(value, times)| Cell {
            value: value.map(|(start, end)| &self.bytes[start..end]),
            times: match times {
                Kept::None | Kept::Untold => Times::None,
                Kept::One(time) => Times::One(*time),
                Kept::Each(start, end) => Times::Each(&self.each[*start..*end]),
            },
        }));
    }

    /// Takes the next row apart.
    fn take_apart(&mut self) -> Result<(), &'static str> {
        const SHORT: &str = "it is too short";
        let second = self.now.unwrap_or_default().div_euclid(1000);
        let bytes = &*self.bytes;
        let mut wire = Wire(bytes.get(self.next..).ok_or(SHORT)?);
        self.each.clear();
        self.kept.clear();
        for slot in &self.selection.slots {
            let value = wire.bytes().ok_or(SHORT)?;
            let end = bytes.len() - wire.0.len();
            let place = value.map(|value| (end - value.len(), end));
            let times = match slot {
                Slot::Value => Kept::None,
                Slot::Untold if value.is_some() => Kept::Untold,
                Slot::Untold => Kept::None,
                Slot::Timed => {
                    let (write, ttl) = (wire.bytes().ok_or(SHORT)?, wire.bytes().ok_or(SHORT)?);
                    match (time(write, ttl, second), value) {
                        (Some(time), Some(_)) => Kept::One(time),
                        _ => Kept::None,
                    }
                }
                Slot::Each => {
                    let (writes, ttls) = (wire.bytes().ok_or(SHORT)?, wire.bytes().ok_or(SHORT)?);
                    let start = self.each.len();
                    if value.is_some() {
                        times(writes, ttls, second, &mut self.each)
                            .ok_or("its times do not fit")?;
                    }
                    match self.each.len() > start {
                        true => Kept::Each(start, self.each.len()),
                        false => Kept::None,
                    }
                }
            };
            self.kept.push((place, times));
        }
        // The clock.
        wire.bytes().ok_or(SHORT)?;
        self.next = bytes.len() - wire.0.len();
        if let Some(policy) = self.selection.element_times {
            self.tell_untold(policy);
        }
        Ok(())
    }

    /// Gives elements whose times the server does not tell those of the policy.
    fn tell_untold(&mut self, policy: ElementTimes) {
        let mut row: Option<Time> = None;
        for (_, times) in &self.kept {
            if let Kept::One(time) = times {
                row = Some(match row {
                    None => *time,
                    Some(row) => Time {
                        write: row.write.max(time.write),
                        // For ever where any is, else the latest.
                        expiry: row
                            .expiry
                            .zip(time.expiry)
                            .map(|(one, other)| one.max(other)),
                    },
                });
            }
        }
        let time = match policy {
            ElementTimes::At(write) => Time {
                write,
                expiry: None,
            },
            ElementTimes::RowMax => row.unwrap_or(Time {
                write: 1,
                expiry: None,
            }),
        };
        for (column, (place, times)) in self.selection.columns.iter().zip(&mut self.kept) {
            if let (Kept::Untold, Some((from, to))) = (&times, *place) {
                let start = self.each.len();
                let parts = elements(&column.kind, &self.bytes[from..to]);
                self.each.extend(parts.map(|part| part.map(|_| time)));
                *times = Kept::Each(start, self.each.len());
            }
        }
    }

    /// Whether the row is none of the part that was asked for.
    fn skipped(&self) -> bool {
        let roles = self.selection.columns.iter().map(|column| column.role);
        let mut pairs = roles.zip(&self.kept);
        match self.selection.part {
            Part::Rows => {
                self.selection.skips_bare
                    && pairs
                        .find(|(role, _)| *role == Role::Clustering)
                        .is_some_and(|(_, (value, _))| value.is_none())
            }
            Part::Statics => {
                pairs.all(|(role, (value, _))| role != Role::Static || value.is_none())
            }
        }
    }
}

fn unreadable(why: &str) -> Error {
    Error::failed(format!("a row cannot be read: {why}"))
}

/// A write time and a TTL. In its last second a cell has a TTL of 0, and is not for ever (cassandra.md §3.11).
fn time(write: Option<&[u8]>, ttl: Option<&[u8]>, second: i64) -> Option<Time> {
    let write = i64::from_be_bytes(write?.try_into().ok()?);
    let ttl = ttl
        .and_then(|ttl| ttl.try_into().ok())
        .map(i32::from_be_bytes);
    Some(Time {
        write,
        expiry: ttl.map(|ttl| second + i64::from(ttl)),
    })
}

/// Write times and TTLs of elements: two lists, aligned, with nulls. A TTL list of an empty or all permanent value may be
/// null as a whole.
fn times(
    writes: Option<&[u8]>,
    ttls: Option<&[u8]>,
    second: i64,
    out: &mut Vec<Option<Time>>,
) -> Option<()> {
    let mut writes = Wire(writes?);
    let mut ttls = ttls.map(Wire);
    let count = writes.int()?;
    if let Some(ttls) = &mut ttls
        && ttls.int()? != count
    {
        return None;
    }
    for _ in 0..count {
        let write = writes.bytes()?;
        let ttl = match &mut ttls {
            Some(ttls) => ttls.bytes()?,
            None => None,
        };
        out.push(time(write, ttl, second));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::codec::wire::put_bytes;

    fn list(parts: &[Option<&[u8]>]) -> Vec<u8> {
        let mut out = (parts.len() as i32).to_be_bytes().to_vec();
        for part in parts {
            put_bytes(*part, &mut out);
        }
        out
    }

    #[test]
    fn the_last_second_is_not_for_ever() {
        let write = 5_i64.to_be_bytes();
        let expiry = |ttl: Option<i32>| {
            let ttl = ttl.map(i32::to_be_bytes);
            let time = time(Some(&write), ttl.as_ref().map(|ttl| ttl.as_slice()), 100);
            time.expect("a time").expiry
        };
        assert_eq!(expiry(None), None);
        assert_eq!(expiry(Some(0)), Some(100));
        assert_eq!(expiry(Some(7)), Some(107));
    }

    #[test]
    fn lists_of_times_hold_nulls() {
        let (write, ttl) = (9_i64.to_be_bytes(), 3_i32.to_be_bytes());
        let writes = list(&[Some(&write), None, Some(&write)]);
        let ttls = list(&[Some(&ttl), None, None]);
        let mut out = Vec::new();
        times(Some(&writes), Some(&ttls), 10, &mut out).expect("times");
        let at = |expiry| Some(Time { write: 9, expiry });
        assert_eq!(out, [at(Some(13)), None, at(None)]);
        assert_eq!(times(Some(&writes), Some(&list(&[])), 10, &mut out), None);
    }
}
