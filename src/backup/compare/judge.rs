//! What is said of one row, by what both sides have of it and by which clock. Pure.

use crate::backup::convert::Converted;
use crate::backup::group::{Cell, Element};
use crate::backup::row::Time;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The write time of what nobody tells one of: it is compared with no other (Cassandra's own word for none,
/// `LivenessInfo.NO_TIMESTAMP`).
pub const UNTOLD: i64 = i64::MIN;

/// A side that nobody writes to: nothing of it is newer.
pub const AT_REST: i64 = i64::MAX;

/// The later of both sides' clocks, in seconds since 1970, shared by all who read them.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// At that second.
    pub fn at(second: i64) -> Self {
        Clock(Arc::new(second.into()))
    }

    /// A side's clock showed this; an earlier second is passed over.
    pub fn saw(&self, second: i64) {
        self.0.fetch_max(second, Ordering::Relaxed);
    }

    /// What it shows.
    pub fn second(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Seconds that two expiries of one cell may be apart.
const TOLERANCE: i64 = 2;

/// What is compared, and by which clock.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    /// The columns of the cells, in order.
    pub columns: Vec<String>,
    /// Of these columns nobody tells the times of elements, so they are not compared.
    pub untold: Vec<bool>,
    /// By which cells are gone; it goes on while the sides are read.
    pub now: Clock,
    /// For each side when cells of it are newer: those that were written later than this, in microseconds since 1970.
    pub read_at: (i64, i64),
    /// What the sides are called.
    pub sides: (String, String),
}

/// What is said of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides have it alike.
    Same,
    /// It was written later than its range began to be read.
    Newer,
    /// Every cell of it has expired.
    Gone,
    /// How it differs, in a few words.
    Different(String),
}

impl Judge {
    /// Compares one row; a side that has none gives nothing.
    pub fn row(&self, one: Option<&Converted<'_>>, other: Option<&Converted<'_>>) -> Verdict {
        match (one, other) {
            (None, None) => Verdict::Gone,
            (Some(one), Some(other)) => self.both(one, other),
            (Some(row), None) => self.alone(row, self.read_at.0, &self.sides.1),
            (None, Some(row)) => self.alone(row, self.read_at.1, &self.sides.0),
        }
    }

    /// Compares a row that differed, once both sides were asked for it again: they are read at two moments, and a write
    /// in between is no difference. A row that is another one than before is being written at this moment.
    pub fn again(
        &self,
        before: (Option<&Converted<'_>>, Option<&Converted<'_>>),
        now: (Option<&Converted<'_>>, Option<&Converted<'_>>),
    ) -> Verdict {
        let stayed = |before: Option<&Converted<'_>>, now: Option<&Converted<'_>>| {
            matches!(self.row(before, now), Verdict::Same | Verdict::Gone)
        };
        let differs = match now {
            // What both had has expired, or somebody has deleted it.
            (None, None) => self.row(before.0, before.1),
            (one, other) => self.row(one, other),
        };
        match differs {
            Verdict::Different(_) if !(stayed(before.0, now.0) && stayed(before.1, now.1)) => {
                Verdict::Newer
            }
            verdict => verdict,
        }
    }

    /// Gone on both sides: by the clock of either, a moment more for what is known to a second only.
    fn gone(&self, time: Time) -> bool {
        time.is_gone(self.now.second() + TOLERANCE)
    }

    fn both(&self, one: &Converted<'_>, other: &Converted<'_>) -> Verdict {
        let mut pairs = one.cells.iter().zip(&other.cells).enumerate();
        let differs = pairs.find_map(|(at, (one, other))| {
            let how = self.cell(at, one, other)?;
            Some(format!("{}: {how}", self.columns[at]))
        });
        let Some(differs) = differs else {
            return Verdict::Same;
        };
        let newest = |row: &Converted<'_>| {
            let times = row.cells.iter().flat_map(Cell::times);
            times.map(|time| time.write).max()
        };
        let (of_one, of_other) = (newest(one), newest(other));
        // A write time from the future that both sides have is no sign of a write.
        let newer = (of_one > Some(self.read_at.0) && of_one > of_other)
            || (of_other > Some(self.read_at.1) && of_other > of_one);
        match newer {
            true => Verdict::Newer,
            false => Verdict::Different(differs),
        }
    }

    /// Of a row that the side of that name lacks.
    fn alone(&self, row: &Converted<'_>, read_at: i64, lacking: &str) -> Verdict {
        let mut times = row.cells.iter().flat_map(Cell::times).peekable();
        let mut all_gone = times.peek().is_some();
        for time in times {
            if time.write > read_at {
                return Verdict::Newer;
            }
            all_gone &= self.gone(time);
        }
        match all_gone {
            true => Verdict::Gone,
            false => Verdict::Different(format!("it is not in {lacking}")),
        }
    }

    /// How two cells differ; nothing where they do not.
    fn cell(&self, at: usize, one: &Cell<'_>, other: &Cell<'_>) -> Option<String> {
        match (one, other) {
            (Cell::Elements(one), Cell::Elements(other)) => self.elements(at, one, other),
            (Cell::Elements(_), other) => match self.lives(one) {
                true if *other == Cell::Absent => Some(self.only(&self.sides.0)),
                true => Some("elements on one side, one value on the other".to_string()),
                false => self.cell(at, &Cell::Absent, other),
            },
            (one, Cell::Elements(_)) => match self.lives(other) {
                true if *one == Cell::Absent => Some(self.only(&self.sides.1)),
                true => Some("one value on one side, elements on the other".to_string()),
                false => self.cell(at, one, &Cell::Absent),
            },
            (Cell::Absent, Cell::Absent) => None,
            (Cell::Whole { .. }, Cell::Absent) => self.lives(one).then(|| self.only(&self.sides.0)),
            (Cell::Absent, Cell::Whole { .. }) => {
                self.lives(other).then(|| self.only(&self.sides.1))
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
        if one.write == UNTOLD || other.write == UNTOLD {
            return None;
        }
        let (first, second) = (&self.sides.0, &self.sides.1);
        if one.write != other.write {
            return Some(format!(
                "written at {} in {first}, at {} in {second}",
                one.write, other.write
            ));
        }
        let apart = match (one.expiry, other.expiry) {
            (None, None) => return None,
            (Some(one), Some(other)) => one.abs_diff(other),
            _ => u64::MAX,
        };
        let shown =
            |expiry: Option<i64>| expiry.map_or("never".to_string(), |at| format!("at {at}"));
        (apart > TOLERANCE.unsigned_abs()).then(|| {
            format!(
                "expires {} in {first}, {} in {second}",
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
        // What is gone of the one may be there on the other for as long as two expiries may be apart.
        let nearly =
            |element: &Element<'_>| element.time.is_gone(self.now.second() + 2 * TOLERANCE);
        let told = self.untold.get(at) != Some(&true);
        let differ = || match one.len() == other.len() {
            true => "the elements differ".to_string(),
            false => {
                let (first, second) = (&self.sides.0, &self.sides.1);
                let (one, other) = (one.len(), other.len());
                format!("{one} elements in {first}, {other} in {second}")
            }
        };
        let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
        loop {
            let (a, b) = (ones.peek(), others.peek());
            let how = match (a, b) {
                (None, None) => return None,
                (Some(a), Some(b))
                    if a.key == b.key && a.value == b.value && a.field == b.field =>
                {
                    told.then(|| self.times(a.time, b.time)).flatten()
                }
                _ => Some(differ()),
            };
            match (
                how,
                a.is_some_and(|a| nearly(a)),
                b.is_some_and(|b| nearly(b)),
            ) {
                (None, ..) => {
                    ones.next();
                    others.next();
                }
                (Some(_), true, _) => drop(ones.next()),
                (Some(_), _, true) => drop(others.next()),
                (how, false, false) => return how,
            }
        }
    }
}
