//! Pages of a range, through one member or another.

use super::super::fault::{Fault, Kind, UNAUTHORIZED};
use super::Source;
use super::hitches::Hitches;
use super::page::Page;
use super::patience::Patience;
use super::select::Selection;
use super::throttle::Throttle;
use crate::backend::Stop;
use crate::backup::TokenRange;
use crate::error::{Error, Result};
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
use tokio::time::Instant;
use uuid::Uuid;

/// Bytes of a page, about: a range has two of them, one that is on its way and one that is written.
const PAGE: usize = 512 << 10;

/// Rows of the first page of a table, before it is known how long they are: one may be of 16 MB.
const ROWS_FIRST: usize = 1;

/// Rows of a page, at most: more brings no speed, and the next thousand may be longer than the last.
const ROWS_MAX: usize = 1000;

/// How long one page is tried for, through whichever member.
const PAGE_PATIENCE: Duration = Duration::from_secs(120);

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

/// Where a page begins. It holds for every range that begins as the one that it was told of, and ends behind it.
#[derive(Clone)]
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
        let mut patience = Patience::of(PAGE_PATIENCE);
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
                    let page = Page::of(&rows, self.selection.clone()).map_err(unreadable)?;
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
            if patience.is_over() {
                return Err(Trouble::Failed(fault.error().now(
                    "what is sealed stays; the range that was being read is read again",
                )));
            }
            // Where replicas have too many tombstones to read, fewer rows at once mostly do.
            if !fault.is(READ_FAILURE) {
                let what = format!("reading {}", self.selection.table);
                way.hitches.met(&what, &fault.brief(), patience.until());
            }
            tries += 1;
            patience.pause().await;
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
