//! Pages of a range, through one member or another.

use super::super::fault::{Fault, Kind, UNAUTHORIZED};
use super::Source;
use super::hitches::Hitches;
use super::select::{Selection, Slot};
use super::throttle::Throttle;
use crate::backend::Stop;
use crate::backup::TokenRange;
use crate::backup::codec::elements;
use crate::backup::codec::wire::Wire;
use crate::backup::manifest::ElementTimes;
use crate::backup::row::{Cell, Row, Time, Times};
use crate::backup::table::{Part, Role};
use crate::error::{Error, Result};
use scylla::deserialize::row::ColumnIterator;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Bytes of a page, about.
const PAGE: usize = 1 << 20;

/// Rows of the first page of a table, before it is known how long they are: one may be of 16 MB.
const ROWS_FIRST: usize = 1;

/// Rows of a page, at most: more brings no speed, and the next thousand may be longer than the last.
const ROWS_MAX: usize = 1000;

/// How long one page is tried for, through whichever member.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a page of one row may fail on the replicas before the range is cut.
const FAILURES: usize = 3;

/// How long a replica may be silent before the others take it for down, and say so: that one row times out for less than
/// this says nothing of how much there is to read.
const SILENT: Duration = Duration::from_secs(30);

/// The code of a request that the coordinator timed out on, and of one that replicas failed: too many tombstones are one.
const READ_TIMEOUT: i32 = 0x1200;
const READ_FAILURE: i32 = 0x1300;

/// A prepared query for the rows of a table.
pub struct Scan {
    source: Source,
    /// What is asked.
    pub selection: Arc<Selection>,
    prepared: PreparedStatement,
    /// Rows of the next page.
    rows: AtomicUsize,
}

/// A page that came.
pub struct Fetched {
    /// Its rows.
    pub page: Page,
    /// Where the next one begins; nothing at the end.
    pub next: Option<Place>,
    /// Through whom it came.
    pub member: Uuid,
}

/// Where a page begins.
pub struct Place(PagingState);

/// Why a page did not come.
pub enum Trouble {
    /// Replicas cannot read so much at once, however few rows are wanted.
    TooMuch(Error),
    /// The server refused the query itself.
    Refused(Error),
    /// The run cannot go on.
    Failed(Error),
}

/// Where and how pages of a range are read.
pub struct Way<'a> {
    /// The range.
    pub range: TokenRange,
    /// Members that may be asked, the best one first.
    pub members: &'a [Uuid],
    /// Who decides how much is asked.
    pub throttle: &'a Throttle,
    /// Whether a signal wants the run to end.
    pub stop: &'a Stop,
    /// Told of what makes a page be asked for again.
    pub hitches: &'a Hitches<'a>,
}

impl Source {
    /// Prepares a query, to be read at the level of that name.
    ///
    /// # Errors
    /// There is no such level, or the server refuses the query.
    pub async fn scan(&self, selection: Selection, level: &str) -> Result<Scan> {
        let consistency = consistency(level)
            .ok_or_else(|| Error::usage(format!("{level} is no level at which rows are read")))?;
        let mut statement = Statement::new(selection.text.clone());
        statement.set_consistency(consistency);
        statement.set_request_timeout(Some(self.timeout));
        // kmig asks again itself, through whom it likes.
        statement.set_is_idempotent(false);
        let prepared = self.sender.session.prepare(statement).await;
        let prepared = prepared.map_err(|error| Fault::from(error).error())?;
        Ok(Scan {
            source: self.clone(),
            selection: Arc::new(selection),
            prepared,
            rows: AtomicUsize::new(ROWS_FIRST),
        })
    }
}

/// A level by its name.
fn consistency(name: &str) -> Option<Consistency> {
    Some(match name {
        "ONE" => Consistency::One,
        "TWO" => Consistency::Two,
        "THREE" => Consistency::Three,
        "QUORUM" => Consistency::Quorum,
        "ALL" => Consistency::All,
        "LOCAL_QUORUM" => Consistency::LocalQuorum,
        "LOCAL_ONE" => Consistency::LocalOne,
        _ => return None,
    })
}

impl Scan {
    /// The first page of a range.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn first(&self, way: &Way<'_>) -> Result<Fetched, Trouble> {
        self.page(way, Place(PagingState::start())).await
    }

    /// The page that begins at a place. Whoever cannot answer is passed over; the place holds for all members.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn page(&self, way: &Way<'_>, Place(at): Place) -> Result<Fetched, Trouble> {
        let began = Instant::now();
        let deadline = began + PATIENCE;
        let mut pause = Duration::from_millis(50);
        let mut failures = 0;
        let mut tries = 0;
        loop {
            way.stop.check().map_err(Trouble::Failed)?;
            let member = way.members[tries % way.members.len()];
            let rows = self
                .rows
                .load(Ordering::Relaxed)
                .min(way.throttle.page_max());
            let turn = way.throttle.turn().await;
            let mut prepared = self.prepared.clone();
            let only = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::HostId(member), None);
            prepared.set_load_balancing_policy(Some(only));
            prepared.set_page_size(i32::try_from(rows).unwrap_or(i32::MAX));
            let bound = (way.range.after, way.range.to);
            let session = &self.source.sender.session;
            let answer = session
                .execute_single_page(&prepared, bound, at.clone())
                .await;
            let fault = match answer {
                Ok((answer, next)) => {
                    let unreadable = |error: String| {
                        Trouble::Failed(Error::failed(format!(
                            "the answer cannot be read: {error}"
                        )))
                    };
                    let rows = answer
                        .into_rows_result()
                        .map_err(|error| unreadable(error.to_string()))?;
                    turn.answered(rows.rows_num(), rows.rows_bytes_size());
                    self.measured(&rows);
                    let page = Page::of(rows, self.selection.clone()).map_err(unreadable)?;
                    let next = match next.into_paging_control_flow() {
                        ControlFlow::Continue(next) => Some(Place(next)),
                        ControlFlow::Break(()) => None,
                    };
                    return Ok(Fetched { page, next, member });
                }
                Err(error) => Fault::from(error),
            };
            let too_much = fault.is(READ_FAILURE) || fault.is(READ_TIMEOUT);
            match fault.code.is_some() {
                true => turn.refused(),
                false => drop(turn),
            }
            if fault.kind == Kind::Refused {
                return Err(match fault.is(UNAUTHORIZED) {
                    true => Trouble::Failed(fault.error()),
                    false => Trouble::Refused(fault.error()),
                });
            }
            if too_much {
                let fewer = (rows / 4).max(1);
                self.rows.store(fewer, Ordering::Relaxed);
                failures += usize::from(rows == 1);
                let silent = fault.is(READ_TIMEOUT) && began.elapsed() < SILENT;
                if failures >= FAILURES && !silent {
                    return Err(Trouble::TooMuch(fault.error()));
                }
            }
            if Instant::now() >= deadline {
                return Err(Trouble::Failed(fault.error().now(
                    "what is sealed stays; the range that was being read is read again",
                )));
            }
            // Where replicas have too many tombstones to read, fewer rows at once mostly do.
            if !fault.is(READ_FAILURE) {
                let what = format!("reading {}", self.selection.table);
                way.hitches.met(&what, &fault.brief(), deadline);
            }
            tries += 1;
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Learns how long rows are: pages are of about the same bytes, whatever the rows.
    fn measured(&self, rows: &QueryRowsResult) {
        let Some(each) = rows.rows_bytes_size().checked_div(rows.rows_num()) else {
            return;
        };
        let fits = (PAGE / each.max(1)).clamp(1, ROWS_MAX);
        let now = self.rows.load(Ordering::Relaxed);
        // Towards more in steps: the next rows may be longer.
        self.rows
            .store(fits.min(now.saturating_mul(4)), Ordering::Relaxed);
    }
}

/// The rows of an answer, in the server's bytes.
pub struct Page {
    rows: QueryRowsResult,
    selection: Arc<Selection>,
    /// The coordinator's clock at this page, in milliseconds since 1970; nothing where it has no rows.
    pub now: Option<i64>,
}

/// Times of a column while a row is taken apart.
enum Kept {
    None,
    One(Time),
    Each(usize, usize),
    Untold,
}

impl Page {
    pub(super) fn of(rows: QueryRowsResult, selection: Arc<Selection>) -> Result<Self, String> {
        let first = rows
            .maybe_first_row::<ColumnIterator<'_, '_>>()
            .map_err(|error| error.to_string())?;
        let last = first.and_then(Iterator::last);
        let now = match last {
            Some(column) => {
                let column = column.map_err(|error| error.to_string())?;
                let bytes = column
                    .slice
                    .and_then(|slice| slice.as_slice().try_into().ok());
                Some(i64::from_be_bytes(bytes.ok_or("it tells no time")?))
            }
            None => None,
        };
        Ok(Page {
            rows,
            selection,
            now,
        })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.rows_num()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their bytes, as the protocol carries them.
    pub fn bytes(&self) -> usize {
        self.rows.rows_bytes_size()
    }

    /// Hands over each row. Partitions without a static value are none of the statics, and ones without a row none of the
    /// rows.
    ///
    /// # Errors
    /// The answer is not what was asked for, or `take` fails.
    pub fn each(&self, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let selection = &*self.selection;
        let unreadable = |error: String| Error::failed(format!("a row cannot be read: {error}"));
        let rows = self
            .rows
            .rows::<ColumnIterator<'_, '_>>()
            .map_err(|error| unreadable(error.to_string()))?;
        let second = self.now.unwrap_or_default().div_euclid(1000);
        let mut each: Vec<Option<Time>> = Vec::new();
        let mut kept = Vec::with_capacity(selection.slots.len());
        for row in rows {
            let mut columns = row.map_err(|error| unreadable(error.to_string()))?;
            let mut slice = || {
                let column = columns
                    .next()
                    .ok_or_else(|| unreadable("it is too short".into()))?;
                let column = column.map_err(|error| unreadable(error.to_string()))?;
                Ok::<_, Error>(column.slice.map(|slice| slice.as_slice()))
            };
            each.clear();
            kept.clear();
            for slot in &selection.slots {
                let value = slice()?;
                let times = match slot {
                    Slot::Value => Kept::None,
                    Slot::Untold if value.is_some() => Kept::Untold,
                    Slot::Untold => Kept::None,
                    Slot::Timed => match (time(slice()?, slice()?, second), value) {
                        (Some(time), Some(_)) => Kept::One(time),
                        _ => Kept::None,
                    },
                    Slot::Each => {
                        let (writes, ttls) = (slice()?, slice()?);
                        let start = each.len();
                        if value.is_some() {
                            times(writes, ttls, second, &mut each)
                                .ok_or_else(|| unreadable("its times do not fit".into()))?;
                        }
                        match each.len() > start {
                            true => Kept::Each(start, each.len()),
                            false => Kept::None,
                        }
                    }
                };
                kept.push((value, times));
            }
            if let Some(policy) = selection.element_times {
                tell_untold(selection, policy, &mut kept, &mut each);
            }
            let cells: Vec<Cell<'_>> = kept
                .iter()
                .map(|(value, times)| Cell {
                    value: *value,
                    times: match times {
                        Kept::None | Kept::Untold => Times::None,
                        Kept::One(time) => Times::One(*time),
                        Kept::Each(start, end) => Times::Each(&each[*start..*end]),
                    },
                })
                .collect();
            if !skipped(selection, &cells) {
                take(&cells)?;
            }
        }
        Ok(())
    }
}

/// Whether a row is none of the part that was asked for.
fn skipped(selection: &Selection, cells: &Row<'_>) -> bool {
    let roles = selection.columns.iter().map(|column| column.role);
    let mut pairs = roles.zip(cells);
    match selection.part {
        Part::Rows => {
            selection.skips_bare
                && pairs
                    .find(|(role, _)| *role == Role::Clustering)
                    .is_some_and(|(_, cell)| cell.value.is_none())
        }
        Part::Statics => pairs.all(|(role, cell)| role != Role::Static || cell.value.is_none()),
    }
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

/// Gives elements whose times the server does not tell those of the policy.
fn tell_untold(
    selection: &Selection,
    policy: ElementTimes,
    kept: &mut [(Option<&[u8]>, Kept)],
    each: &mut Vec<Option<Time>>,
) {
    let mut row: Option<Time> = None;
    for (_, times) in kept.iter() {
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
    for (column, (value, times)) in selection.columns.iter().zip(kept) {
        if let (Kept::Untold, Some(value)) = (&times, value) {
            let start = each.len();
            let parts = elements(&column.kind, value);
            each.extend(parts.map(|part| part.map(|_| time)));
            *times = Kept::Each(start, each.len());
        }
    }
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
