//! Two sides of a table compared row by row, while both are read in the order of their tokens. Pure.
//!
//! Keys, values and write times are compared exactly, expiries within two seconds; what is gone by the clock of either side
//! counts as gone on both (contract §7, traps C15).

mod judge;

pub use judge::{AT_REST, Clock, Judge, UNTOLD, Verdict};

use super::group::{Cell, Raw};
use crate::error::Result;
use std::collections::HashMap;

/// A row of one side, as a row of the keyspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The token of its partition.
    pub token: i64,
    /// The values of its key.
    pub key: Vec<Raw<'static>>,
    /// Its cells.
    pub cells: Vec<Cell<'static>>,
}

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
    pub one: Option<Line>,
    /// The second side's.
    pub other: Option<Line>,
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

/// Gives the next row of a side, in the order of tokens; nothing at its end.
pub type Side<'a> = dyn FnMut() -> Result<Option<Line>> + 'a;

/// Compares two sides of one range.
///
/// # Errors
/// A side cannot be read.
pub fn compare(
    judge: &Judge,
    first: &mut Side<'_>,
    second: &mut Side<'_>,
    tell: &mut dyn FnMut(Differs),
) -> Result<Tally> {
    let mut comparison = Comparison {
        judge,
        tally: Tally::default(),
        tell,
    };
    let (mut one, mut other) = (first()?, second()?);
    loop {
        let token = match (&one, &other) {
            (None, None) => return Ok(comparison.tally),
            (Some(line), None) | (None, Some(line)) => line.token,
            (Some(one), Some(other)) => one.token.min(other.token),
        };
        // A partition may have its rows in another order on the other side; what waits for its like is of one token.
        let (mut ones, mut others) = (HashMap::new(), HashMap::new());
        let here = |line: &Option<Line>| line.as_ref().is_some_and(|line| line.token == token);
        while here(&one) || here(&other) {
            match (
                one.take_if(|line| line.token == token),
                other.take_if(|line| line.token == token),
            ) {
                (Some(a), Some(b)) if a.key == b.key => {
                    comparison.row(Some(a), Some(b));
                    one = first()?;
                    other = second()?;
                }
                (a, b) => {
                    if let Some(a) = a {
                        match others.remove(&a.key) {
                            Some(b) => comparison.row(Some(a), Some(b)),
                            None => drop(ones.insert(a.key.clone(), a)),
                        }
                        one = first()?;
                    }
                    if let Some(b) = b {
                        match ones.remove(&b.key) {
                            Some(a) => comparison.row(Some(a), Some(b)),
                            None => drop(others.insert(b.key.clone(), b)),
                        }
                        other = second()?;
                    }
                }
            }
        }
        let mut alone: Vec<Line> = ones.into_values().collect();
        alone.sort_by(|a, b| a.key.cmp(&b.key));
        for line in alone {
            comparison.row(Some(line), None);
        }
        let mut alone: Vec<Line> = others.into_values().collect();
        alone.sort_by(|a, b| a.key.cmp(&b.key));
        for line in alone {
            comparison.row(None, Some(line));
        }
    }
}

struct Comparison<'a> {
    judge: &'a Judge,
    tally: Tally,
    tell: &'a mut dyn FnMut(Differs),
}

impl Comparison<'_> {
    fn row(&mut self, one: Option<Line>, other: Option<Line>) {
        let verdict = self.judge.row(one.as_ref(), other.as_ref());
        self.tally.count(&verdict);
        if let Verdict::Different(how) = verdict {
            (self.tell)(Differs { one, other, how });
        }
    }
}

impl Differs {
    /// Its key.
    pub fn key(&self) -> Vec<Vec<u8>> {
        let line = self.one.as_ref().or(self.other.as_ref());
        let key = line.map(|line| line.key.as_slice()).unwrap_or_default();
        key.iter().map(|part| part.to_vec()).collect()
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
