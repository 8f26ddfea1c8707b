//! Two sides of a table compared row by row, while both are read in the order of their tokens. Pure.
//!
//! Keys, values and write times are compared exactly, expiries within two seconds; what is gone by the clock of either side
//! counts as gone on both (contract §7, traps C15).

mod judge;

pub use judge::{AT_REST, Clock, Judge, UNTOLD, Verdict};

use super::convert::Converted;
use super::group::Raw;
use super::row::{Cell, emptied};
use crate::error::Result;
use std::collections::HashMap;

/// What a comparison comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that are the same on both sides.
    pub same: u64,
    /// Rows that were written later than their range began to be read: nothing is said of them.
    pub newer: u64,
    /// Rows whose every cell has expired.
    pub gone: u64,
    /// Rows that differ.
    pub different: u64,
}

/// A row that differs, as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Differs {
    /// The first side's row; nothing where it has none.
    pub one: Option<Converted<'static>>,
    /// The second side's.
    pub other: Option<Converted<'static>>,
    /// How they differ, in a few words.
    pub how: String,
}

/// A row that differs, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: Vec<Vec<u8>>,
    /// How it differs, in a few words.
    pub how: String,
}

/// A side: its rows in the order of tokens, one of which it stands at.
pub trait Side {
    /// Goes on to the next row; whether there is one.
    ///
    /// # Errors
    /// The side cannot be read.
    fn advance(&mut self) -> Result<bool>;

    /// The row that it stands at; nothing where that fits no row of the keyspace.
    ///
    /// # Errors
    /// It is not what its table says.
    fn row(&mut self) -> Result<Option<Converted<'_>>>;

    /// Puts the cells of that row into `cells` where the keyspace has them just so, in the order of its columns; false where
    /// they are made into others.
    fn as_it_is<'a>(&'a self, cells: &mut Vec<Cell<'a>>) -> bool;
}

/// Counts the token of a row by its key.
pub type Token<'a> = dyn Fn(&[Raw<'_>]) -> i64 + 'a;

/// Compares two sides of one range: what their rows come to, and how many of them fit no row of the keyspace.
///
/// Rows are compared where they lie. Only those that do not meet their like at once are kept, or handed over.
///
/// # Errors
/// A side cannot be read.
pub fn compare(
    judge: &Judge,
    token: &Token<'_>,
    first: &mut dyn Side,
    second: &mut dyn Side,
    tell: &mut dyn FnMut(Differs),
) -> Result<(Tally, u64)> {
    let mut comparison = Comparison {
        judge,
        token,
        tally: Tally::default(),
        tell,
        at: i64::MIN,
        ones: HashMap::new(),
        others: HashMap::new(),
    };
    let mut unfit = 0;
    let mut there = (first.advance()?, second.advance()?);
    let mut room = (Vec::new(), Vec::new());
    while there.0 || there.1 {
        if there == (true, true) && comparison.none_waits() && alike(first, second, &mut room) {
            comparison.tally.count(&Verdict::Same);
            there = (first.advance()?, second.advance()?);
            continue;
        }
        let one = if there.0 { first.row()? } else { None };
        let other = if there.1 { second.row()? } else { None };
        let passed = match (one, other) {
            // They are passed over.
            (one, other) if (one.is_some(), other.is_some()) != there => {
                let passed = (there.0 && one.is_none(), there.1 && other.is_none());
                unfit += u64::from(passed.0) + u64::from(passed.1);
                passed
            }
            (one, other) => comparison.step(one, other),
        };
        if passed.0 {
            there.0 = first.advance()?;
        }
        if passed.1 {
            there.1 = second.advance()?;
        }
    }
    comparison.settle();
    Ok((comparison.tally, unfit))
}

/// Whether both sides stand at the same bytes with the same times: most rows do, and need not be converted.
fn alike(
    first: &dyn Side,
    second: &dyn Side,
    room: &mut (Vec<Cell<'static>>, Vec<Cell<'static>>),
) -> bool {
    let (one, other) = std::mem::take(room);
    let (mut one, mut other) = (emptied(one), emptied(other));
    let alike = first.as_it_is(&mut one) && second.as_it_is(&mut other) && one == other;
    *room = (emptied(one), emptied(other));
    alike
}

/// The values of a key.
type Key = Vec<Vec<u8>>;

struct Comparison<'a> {
    judge: &'a Judge,
    token: &'a Token<'a>,
    tally: Tally,
    tell: &'a mut dyn FnMut(Differs),
    /// The token of what waits for its like: a partition may have its rows in another order on the other side.
    at: i64,
    /// Rows of the first side that wait.
    ones: HashMap<Key, Converted<'static>>,
    /// Rows of the second side that wait.
    others: HashMap<Key, Converted<'static>>,
}

impl Comparison<'_> {
    /// Takes the rows at which both sides stand; which of them it has taken.
    fn step(&mut self, one: Option<Converted<'_>>, other: Option<Converted<'_>>) -> (bool, bool) {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) if one.key == other.key => {
                if !self.none_waits() {
                    self.go_to((self.token)(&one.key));
                }
                self.row(Some(one), Some(other));
                return (true, true);
            }
            apart => apart,
        };
        let token = |row: &Option<Converted<'_>>| row.as_ref().map(|row| (self.token)(&row.key));
        let tokens = (token(&one), token(&other));
        // The side that is behind goes first.
        let Some(at) = tokens.0.into_iter().chain(tokens.1).min() else {
            return (false, false);
        };
        let taken = (tokens.0 == Some(at), tokens.1 == Some(at));
        self.go_to(at);
        if let Some(one) = one.filter(|_| taken.0) {
            let key = one.key_values();
            match self.others.remove(&key) {
                Some(other) => self.row(Some(one), Some(other)),
                None => drop(self.ones.insert(key, one.into_owned())),
            }
        }
        if let Some(other) = other.filter(|_| taken.1) {
            let key = other.key_values();
            match self.ones.remove(&key) {
                Some(one) => self.row(Some(one), Some(other)),
                None => drop(self.others.insert(key, other.into_owned())),
            }
        }
        taken
    }

    fn none_waits(&self) -> bool {
        self.ones.is_empty() && self.others.is_empty()
    }

    /// Goes to the rows of a token: what waits at another one has no like.
    fn go_to(&mut self, token: i64) {
        if token != self.at {
            self.settle();
            self.at = token;
        }
    }

    /// Says that what waits is on one side alone.
    fn settle(&mut self) {
        let sorted = |waiting: &mut HashMap<Key, Converted<'static>>| {
            let mut alone: Vec<_> = waiting.drain().map(|(_, row)| row).collect();
            alone.sort_by(|a, b| a.key.cmp(&b.key));
            alone
        };
        for one in sorted(&mut self.ones) {
            self.row(Some(one), None);
        }
        for other in sorted(&mut self.others) {
            self.row(None, Some(other));
        }
    }

    fn row(&mut self, one: Option<Converted<'_>>, other: Option<Converted<'_>>) {
        let verdict = self.judge.row(one.as_ref(), other.as_ref());
        self.tally.count(&verdict);
        if let Verdict::Different(how) = verdict {
            (self.tell)(Differs {
                one: one.map(Converted::into_owned),
                other: other.map(Converted::into_owned),
                how,
            });
        }
    }
}

impl Differs {
    /// Its key.
    pub fn key(&self) -> Vec<Vec<u8>> {
        let row = self.one.as_ref().or(self.other.as_ref());
        row.map(Converted::key_values).unwrap_or_default()
    }
}

impl Tally {
    /// Counts a row.
    pub fn count(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Same => &mut self.same,
            Verdict::Newer => &mut self.newer,
            Verdict::Gone => &mut self.gone,
            Verdict::Different(_) => &mut self.different,
        } += 1;
    }

    /// Adds another.
    pub fn join(&mut self, other: &Tally) {
        self.same += other.same;
        self.newer += other.newer;
        self.gone += other.gone;
        self.different += other.different;
    }
}

#[cfg(test)]
mod tests;
