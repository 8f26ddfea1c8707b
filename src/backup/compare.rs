//! Two sides of a table compared row by row, while both are read in the order of their tokens. Pure.
//!
//! Keys, values and write times are compared exactly, expiries within two seconds; what is gone by the clock of either side
//! counts as gone on both (contract §7, traps C15).

use super::group::{Cell, Element, Raw};
use super::row::Time;
use crate::error::Result;
use std::cell::Cell as Cell64Of;
use std::collections::HashMap;

/// A number that changes while it is shared.
pub type Cell64 = Cell64Of<i64>;

/// Seconds that two expiries of one cell may be apart.
const TOLERANCE: i64 = 2;

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
    /// Rows that were written later than the first side was read: nothing is said of them.
    pub newer: u64,
    /// Rows whose every cell has expired.
    pub gone: u64,
    /// Rows that differ.
    pub different: u64,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: Vec<Vec<u8>>,
    /// How it differs, in a few words.
    pub how: String,
}

/// What is compared, and by which clock.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    /// The columns of the cells, in order.
    pub columns: Vec<String>,
    /// Of these columns nobody tells the times of elements, so they are not compared.
    pub untold: Vec<bool>,
    /// The later of both sides' clocks, in seconds since 1970; it goes on while the sides are read.
    pub now: Cell64,
    /// When the first side was read, in microseconds since 1970: later cells of the second are newer.
    pub read_at: i64,
    /// What the sides are called.
    pub sides: (&'static str, &'static str),
}

/// What is said of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Same,
    Newer,
    Gone,
    Different(String),
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
    tell: &mut dyn FnMut(Difference),
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
                    comparison.both(a, &b);
                    one = first()?;
                    other = second()?;
                }
                (a, b) => {
                    if let Some(a) = a {
                        match others.remove(&a.key) {
                            Some(b) => comparison.both(a, &b),
                            None => drop(ones.insert(a.key.clone(), a)),
                        }
                        one = first()?;
                    }
                    if let Some(b) = b {
                        match ones.remove(&b.key) {
                            Some(a) => comparison.both(a, &b),
                            None => drop(others.insert(b.key.clone(), b)),
                        }
                        other = second()?;
                    }
                }
            }
        }
        let mut alone: Vec<Line> = ones.into_values().collect();
        alone.sort_by(|a, b| a.key.cmp(&b.key));
        alone.into_iter().for_each(|line| comparison.missing(line));
        let mut alone: Vec<Line> = others.into_values().collect();
        alone.sort_by(|a, b| a.key.cmp(&b.key));
        alone.into_iter().for_each(|line| comparison.extra(line));
    }
}

struct Comparison<'a> {
    judge: &'a Judge,
    tally: Tally,
    tell: &'a mut dyn FnMut(Difference),
}

impl Comparison<'_> {
    fn both(&mut self, one: Line, other: &Line) {
        let verdict = self.judge.both(&one, other);
        self.count(one, verdict);
    }

    fn missing(&mut self, line: Line) {
        let verdict = self.judge.missing(&line);
        self.count(line, verdict);
    }

    fn extra(&mut self, line: Line) {
        let verdict = self.judge.extra(&line);
        self.count(line, verdict);
    }

    fn count(&mut self, line: Line, verdict: Verdict) {
        match verdict {
            Verdict::Same => self.tally.same += 1,
            Verdict::Newer => self.tally.newer += 1,
            Verdict::Gone => self.tally.gone += 1,
            Verdict::Different(how) => {
                self.tally.different += 1;
                let key = line.key.into_iter().map(Raw::into_owned);
                (self.tell)(Difference {
                    key: key.collect(),
                    how,
                });
            }
        }
    }
}

impl Judge {
    /// Compares a row of the keyspace that was looked up by its key with a row of the first side.
    pub fn looked_up(&self, one: &Line, other: Option<&Line>) -> (Tally, Option<String>) {
        let verdict = match other {
            Some(other) => self.both(one, other),
            None => self.missing(one),
        };
        let mut tally = Tally::default();
        let mut how = None;
        match verdict {
            Verdict::Same => tally.same = 1,
            Verdict::Newer => tally.newer = 1,
            Verdict::Gone => tally.gone = 1,
            Verdict::Different(why) => {
                tally.different = 1;
                how = Some(why);
            }
        }
        (tally, how)
    }

    /// Gone on both sides: by the clock of either, a moment more for what is known to a second only.
    fn gone(&self, time: Time) -> bool {
        time.is_gone(self.now.get() + TOLERANCE)
    }

    fn both(&self, one: &Line, other: &Line) -> Verdict {
        let newest = |line: &Line| {
            let times = line.cells.iter().flat_map(Cell::times);
            times.map(|time| time.write).max()
        };
        let differs = self.columns.iter().enumerate().find_map(|(at, column)| {
            let how = self.cell(at, &one.cells[at], &other.cells[at])?;
            Some(format!("{column}: {how}"))
        });
        match differs {
            None => Verdict::Same,
            Some(_)
                if newest(other)
                    .is_some_and(|write| write > self.read_at && Some(write) > newest(one)) =>
            {
                Verdict::Newer
            }
            Some(how) => Verdict::Different(how),
        }
    }

    fn missing(&self, line: &Line) -> Verdict {
        let mut times = line.cells.iter().flat_map(Cell::times).peekable();
        match times.peek().is_some() && times.all(|time| self.gone(time)) {
            true => Verdict::Gone,
            false => Verdict::Different(format!("it is not in {}", self.sides.1)),
        }
    }

    fn extra(&self, line: &Line) -> Verdict {
        let mut times = line.cells.iter().flat_map(Cell::times).peekable();
        let there = times.peek().is_some();
        let mut all_gone = there;
        for time in times {
            if time.write > self.read_at {
                return Verdict::Newer;
            }
            all_gone &= self.gone(time);
        }
        match all_gone {
            true => Verdict::Gone,
            false => Verdict::Different(format!("it is not in {}", self.sides.0)),
        }
    }

    /// How two cells differ; nothing where they do not.
    fn cell(&self, at: usize, one: &Cell<'_>, other: &Cell<'_>) -> Option<String> {
        match (one, other) {
            (Cell::Elements(one), Cell::Elements(other)) => self.elements(at, one, other),
            (Cell::Elements(_), other) => match self.lives(one) {
                true if *other == Cell::Absent => Some(self.only(self.sides.0)),
                true => Some("elements on one side, one value on the other".to_string()),
                false => self.cell(at, &Cell::Absent, other),
            },
            (one, Cell::Elements(_)) => match self.lives(other) {
                true if *one == Cell::Absent => Some(self.only(self.sides.1)),
                true => Some("one value on one side, elements on the other".to_string()),
                false => self.cell(at, one, &Cell::Absent),
            },
            (Cell::Absent, Cell::Absent) => None,
            (Cell::Whole { .. }, Cell::Absent) => self.lives(one).then(|| self.only(self.sides.0)),
            (Cell::Absent, Cell::Whole { .. }) => {
                self.lives(other).then(|| self.only(self.sides.1))
            }
            (
                Cell::Whole { value, time },
                Cell::Whole {
                    value: other_value,
                    time: other_time,
                },
            ) => match (self.gone(*time), self.gone(*other_time)) {
                (true, true) => None,
                _ if value != other_value => Some("the values differ".to_string()),
                _ => self.times(*time, *other_time),
            },
        }
    }

    fn lives(&self, cell: &Cell<'_>) -> bool {
        cell.times().any(|time| !self.gone(time))
    }

    fn only(&self, side: &str) -> String {
        format!("it is in {side} only")
    }

    fn times(&self, one: Time, other: Time) -> Option<String> {
        if one.write != other.write {
            return Some(format!("written at {} and at {}", one.write, other.write));
        }
        let apart = match (one.expiry, other.expiry) {
            (None, None) => return None,
            (Some(one), Some(other)) => one.abs_diff(other),
            _ => u64::MAX,
        };
        let shown = |expiry: Option<i64>| expiry.map_or("never".to_string(), |at| at.to_string());
        (apart > TOLERANCE.unsigned_abs()).then(|| {
            format!(
                "expires at {} and at {}",
                shown(one.expiry),
                shown(other.expiry)
            )
        })
    }

    /// Elements that live, those with keys in the order of their keys: a set or map has no other.
    fn elements(&self, at: usize, one: &[Element<'_>], other: &[Element<'_>]) -> Option<String> {
        fn sorted<'e>(judge: &Judge, all: &'e [Element<'e>]) -> Vec<&'e Element<'e>> {
            let living = all.iter().filter(|element| !judge.gone(element.time));
            let mut living: Vec<_> = living.collect();
            if living.iter().all(|element| element.key.is_some()) {
                living.sort_by(|a, b| a.key.cmp(&b.key));
            }
            living
        }
        let (one, other) = (sorted(self, one), sorted(self, other));
        if one.len() != other.len() {
            return Some(format!("{} elements and {}", one.len(), other.len()));
        }
        one.iter().zip(&other).find_map(|(a, b)| {
            let same = a.key == b.key && a.value == b.value && a.field == b.field;
            match same {
                true if self.untold.get(at) == Some(&true) => None,
                true => self.times(a.time, b.time),
                false => Some("the elements differ".to_string()),
            }
        })
    }
}

impl Tally {
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
