//! What changed in a table since it was exported: rows that are new or other, and what is gone (traps C12, C13). Pure.
//!
//! Write times alone do not tell it: a deletion leaves none behind. So both sides are read in the order of their tokens and
//! compared. What is gone is deleted at the write time that the export has of it: that is what kmig wrote, and nothing
//! that anybody wrote later is hit.

use super::cast::wire;
use super::codec::elements;
use super::kind::CqlType;
use super::manifest::hex;
use super::row::{Row, Time, Times};
use super::table::{Column, Part, Role};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Seconds that two expiries of one cell may be apart.
const TOLERANCE: u64 = 2;

/// Something that is gone: a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The values of the row's key, in hexadecimal.
    pub key: Vec<String>,
    /// The column; the whole row where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The key of an entry of a map, or the member of a set, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// A field of a user-defined type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The write time of the deletion, in microseconds.
    pub at: i64,
}

/// A row as an export has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Old {
    /// The token of its partition.
    pub token: i64,
    /// The values of its key.
    pub key: Vec<Vec<u8>>,
    /// Its other columns.
    pub cells: Vec<Kept>,
    /// Its marker's write time, where nothing else has one: when the export began.
    pub began: i64,
}

/// A cell with bytes of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    value: Option<Vec<u8>>,
    times: Vec<Option<Time>>,
}

/// An element of a list that lives, and its time.
type Living = (Vec<u8>, Time);

/// Counts the token of a partition key.
pub type Token = fn(&[&[u8]]) -> i64;

/// Takes a row apart: its token, its key and its other cells.
pub fn old(columns: &[Column], row: &Row<'_>, token: Token, began: i64) -> Old {
    let (token, key) = keyed(columns, row, token);
    Old {
        token,
        key,
        cells: kept(columns, row),
        began,
    }
}

fn keyed(columns: &[Column], row: &Row<'_>, token: Token) -> (i64, Vec<Vec<u8>>) {
    let pairs = || columns.iter().zip(row);
    let partition = pairs().filter(|(column, _)| column.role == Role::Partition);
    let partition: Vec<&[u8]> = partition
        .map(|(_, cell)| cell.value.unwrap_or_default())
        .collect();
    let key = pairs().filter(|(column, _)| column.role.is_key());
    let key = key.map(|(_, cell)| cell.value.unwrap_or_default().to_vec());
    (token(&partition), key.collect())
}

fn kept(columns: &[Column], row: &Row<'_>) -> Vec<Kept> {
    let pairs = columns.iter().zip(row);
    pairs
        .filter(|(column, _)| !column.role.is_key())
        .map(|(column, cell)| Kept {
            value: cell.value.map(<[u8]>::to_vec),
            times: match (cell.times, cell.value) {
                (Times::None, _) | (_, None) => Vec::new(),
                (Times::One(time), Some(value)) if column.composed => {
                    elements(&column.kind, value).map(|_| Some(time)).collect()
                }
                (Times::One(time), Some(_)) => vec![Some(time)],
                (Times::Each(each), Some(_)) => each.to_vec(),
            },
        })
        .collect()
}

/// The rows of an export, in the order of their tokens.
pub type Base = Box<dyn FnMut() -> Result<Option<Old>> + Send>;

/// Compares the rows of a range with an export, as they come.
pub struct Merge {
    columns: Vec<Column>,
    part: Part,
    token: Token,
    base: Base,
    ahead: Option<Old>,
    at: i64,
    /// Rows of the export of this token that have not come yet.
    pending: HashMap<Vec<Vec<u8>>, Old>,
    now: i64,
}

impl Merge {
    /// Begins; `columns` are those of the rows.
    ///
    /// # Errors
    /// The export cannot be read.
    pub fn new(columns: Vec<Column>, part: Part, token: Token, mut base: Base) -> Result<Self> {
        Ok(Merge {
            ahead: base()?,
            columns,
            part,
            token,
            base,
            at: i64::MIN,
            pending: HashMap::new(),
            now: 0,
        })
    }

    /// Takes the next row, read at `now` in seconds since 1970: whether it is new or other than the export's. What is gone
    /// since is added to `gone`.
    ///
    /// # Errors
    /// The export cannot be read.
    pub fn step(&mut self, row: &Row<'_>, now: i64, gone: &mut Vec<Deleted>) -> Result<bool> {
        self.now = self.now.max(now);
        let (token, key) = keyed(&self.columns, row, self.token);
        self.reach(token, gone)?;
        let mut found = self.pending.remove(&key);
        while found.is_none()
            && let Some(next) = self.ahead.take_if(|next| next.token == token)
        {
            self.ahead = (self.base)()?;
            match next.key == key {
                true => found = Some(next),
                false => drop(self.pending.insert(next.key.clone(), next)),
            }
        }
        let Some(old) = found else {
            return Ok(true);
        };
        let live = kept(&self.columns, row);
        Ok(self.changed(&old, &live, gone))
    }

    /// Ends the range: what has not come is gone.
    ///
    /// # Errors
    /// The export cannot be read.
    pub fn finish(&mut self, now: i64, gone: &mut Vec<Deleted>) -> Result<()> {
        self.now = self.now.max(now);
        self.reach(i64::MAX, gone)?;
        while let Some(old) = self.ahead.take() {
            self.missing(&old, gone);
            self.ahead = (self.base)()?;
        }
        self.flush(gone);
        Ok(())
    }

    fn reach(&mut self, token: i64, gone: &mut Vec<Deleted>) -> Result<()> {
        if token == self.at {
            return Ok(());
        }
        self.flush(gone);
        self.at = token;
        while let Some(old) = self.ahead.take_if(|old| old.token < token) {
            self.missing(&old, gone);
            self.ahead = (self.base)()?;
        }
        Ok(())
    }

    fn flush(&mut self, gone: &mut Vec<Deleted>) {
        let mut left: Vec<Old> = std::mem::take(&mut self.pending).into_values().collect();
        left.sort_by(|one, other| one.key.cmp(&other.key));
        for old in left {
            self.missing(&old, gone);
        }
    }

    fn is_gone(&self, time: &Time) -> bool {
        time.is_gone(self.now)
    }

    fn missing(&self, old: &Old, gone: &mut Vec<Deleted>) {
        let times = || {
            old.cells
                .iter()
                .flat_map(|cell| cell.times.iter().flatten())
        };
        if times().next().is_some() && times().all(|time| self.is_gone(time)) {
            return;
        }
        if self.part == Part::Statics {
            // A partition may have rows yet: each static cell goes by itself.
            let nothing = old.cells.iter().map(|_| Kept {
                value: None,
                times: Vec::new(),
            });
            self.changed(old, &nothing.collect::<Vec<_>>(), gone);
            return;
        }
        gone.push(Deleted {
            at: times().map(|time| time.write).max().unwrap_or(old.began),
            ..deleted(old)
        });
    }

    /// Whether a row is other than the export's; what it lost is added to `gone`.
    fn changed(&self, old: &Old, live: &[Kept], gone: &mut Vec<Deleted>) -> bool {
        let columns = self.columns.iter().filter(|column| !column.role.is_key());
        let mut changed = false;
        for ((column, before), after) in columns.zip(&old.cells).zip(live) {
            changed |= match (column.composed, &column.kind) {
                (true, CqlType::List(_)) => self.list(old, column, before, after, gone),
                (true, _) => self.elements(old, column, before, after, gone),
                (false, _) => self.single(old, column, before, after, gone),
            };
        }
        changed
    }

    fn single(
        &self,
        old: &Old,
        column: &Column,
        before: &Kept,
        after: &Kept,
        gone: &mut Vec<Deleted>,
    ) -> bool {
        let time = |kept: &Kept| kept.times.first().copied().flatten();
        let lives = |kept: &Kept| {
            kept.value.is_some() && time(kept).is_none_or(|time| !self.is_gone(&time))
        };
        match (lives(before), lives(after)) {
            (false, false) => false,
            (false, true) => true,
            (true, false) => {
                if let Some(time) = time(before) {
                    gone.push(Deleted {
                        column: Some(column.name.clone()),
                        at: time.write,
                        ..deleted(old)
                    });
                }
                true
            }
            (true, true) => before.value != after.value || !alike(time(before), time(after)),
        }
    }

    fn elements(
        &self,
        old: &Old,
        column: &Column,
        before: &Kept,
        after: &Kept,
        gone: &mut Vec<Deleted>,
    ) -> bool {
        let (before, after) = (self.parts(column, before), self.parts(column, after));
        let mut changed = before.len() != after.len();
        for (key, (value, time)) in &before {
            match after.get(key) {
                Some((other, other_time)) => {
                    changed |= value != other || !alike(Some(*time), Some(*other_time));
                }
                None => {
                    changed = true;
                    let (element, field) = match &column.kind {
                        CqlType::Udt(_, fields) => {
                            let place = key.as_slice().try_into().map(u32::from_be_bytes);
                            let place = place.unwrap_or_default() as usize;
                            (None, fields.get(place).map(|(name, _)| name.clone()))
                        }
                        _ => (Some(hex(key)), None),
                    };
                    gone.push(Deleted {
                        column: Some(column.name.clone()),
                        element,
                        field,
                        at: time.write,
                        ..deleted(old)
                    });
                }
            }
        }
        changed
    }

    /// Elements that live, by key; fields by their place.
    fn parts(&self, column: &Column, kept: &Kept) -> BTreeMap<Vec<u8>, (Vec<u8>, Time)> {
        let value = kept.value.as_deref().unwrap_or_default();
        let raw: Vec<(Vec<u8>, Vec<u8>)> = match &column.kind {
            _ if kept.value.is_none() => Vec::new(),
            CqlType::Map(..) => {
                let pairs = wire::map(value).unwrap_or_default();
                let own = |part: wire::Part<'_>| part.unwrap_or_default().to_vec();
                pairs
                    .into_iter()
                    .map(|(key, value)| (own(key), own(value)))
                    .collect()
            }
            CqlType::Udt(..) => {
                let fields = wire::fields(value).unwrap_or_default();
                let place =
                    |at: usize| u32::try_from(at).unwrap_or_default().to_be_bytes().to_vec();
                let fields = fields.into_iter().enumerate();
                fields
                    .map(|(at, field)| (place(at), field.unwrap_or_default().to_vec()))
                    .collect()
            }
            _ => {
                let members = wire::list(value).unwrap_or_default();
                members
                    .into_iter()
                    .flatten()
                    .map(|member| (member.to_vec(), Vec::new()))
                    .collect()
            }
        };
        let pairs = raw.into_iter().zip(&kept.times);
        pairs
            .filter_map(|((key, value), time)| {
                let time = time.filter(|time| !self.is_gone(time))?;
                Some((key, (value, time)))
            })
            .collect()
    }

    /// A list whose end alone is new needs no deletion. One that was written anew is deleted at the time of its old
    /// elements. Of anything else the old elements stay, and the import says that the list holds something else.
    fn list(
        &self,
        old: &Old,
        column: &Column,
        before: &Kept,
        after: &Kept,
        gone: &mut Vec<Deleted>,
    ) -> bool {
        let living = |kept: &Kept| -> Vec<Living> {
            let value = kept.value.as_deref();
            let parts = value.map(|value| wire::list(value).unwrap_or_default());
            let parts = parts.unwrap_or_default().into_iter().zip(&kept.times);
            parts
                .filter_map(|(part, time)| {
                    let time = time.filter(|time| !self.is_gone(time))?;
                    Some((part.unwrap_or_default().to_vec(), time))
                })
                .collect()
        };
        let (before, after) = (living(before), living(after));
        let same = |(one, other): (&Living, &Living)| {
            one.0 == other.0 && alike(Some(one.1), Some(other.1))
        };
        let begins = before.len() <= after.len() && before.iter().zip(&after).all(same);
        if begins {
            return before.len() != after.len();
        }
        let newest = before.iter().map(|(_, time)| time.write).max();
        let newest = newest.unwrap_or_default();
        if after.iter().all(|(_, time)| time.write > newest) {
            gone.push(Deleted {
                column: Some(column.name.clone()),
                at: newest,
                ..deleted(old)
            });
        }
        true
    }
}

/// Values of a key that stand in hexadecimal.
///
/// # Errors
/// They do not.
pub fn unhex(key: &[String]) -> Result<Vec<Vec<u8>>> {
    let value = |text: &String| {
        let pairs = text.as_bytes().chunks(2);
        let bytes = pairs.map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        });
        bytes
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| Error::failed(format!("{text:?} is not hexadecimal")))
    };
    key.iter().map(value).collect()
}

fn deleted(old: &Old) -> Deleted {
    Deleted {
        key: old.key.iter().map(|part| hex(part)).collect(),
        column: None,
        element: None,
        field: None,
        at: 0,
    }
}

/// The same write time, and nearly the same expiry.
fn alike(one: Option<Time>, other: Option<Time>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return one == other;
    };
    one.write == other.write
        && match (one.expiry, other.expiry) {
            (Some(one), Some(other)) => one.abs_diff(other) <= TOLERANCE,
            (one, other) => one == other,
        }
}

#[cfg(test)]
mod tests;
