//! The databases. The only place that names a driver.

pub mod cassandra;
mod database;
pub mod files;
mod others;
mod point;
pub mod postgres;
pub mod tls;

pub use database::Database;
pub use others::{Blocker, Ending, Holder, LastLine, Leftover, QUERY_MAX, Scene, Waiting, blocked};

use crate::error::{Error, Exit, Result};
use crate::gate::{Demand, Doomed, Evidence};
use crate::plan::Batch;
use crate::plan::history::History;
use crate::plan::schedule::Unit;
use crate::plan::there::Wanted;
use crate::safety::Known;
use crate::source::{Migration, MigrationSet, Part, PartKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What the engine needs of a database, in the engine's own words.
///
/// The promise of [`Backend::apply`] is what everything stands on: on `Ok` each unit's `then` is recorded; on an error
/// the history says how far it came, and the same plan made anew goes on from there.
#[expect(
    async_fn_in_trait,
    reason = "a run is one task: no caller needs its futures to be Send"
)]
pub trait Backend {
    /// What is recorded, or nothing where there are no tables of kmig. Needs SELECT only, and no lock.
    async fn history(&mut self) -> Result<Option<History>>;

    /// Takes the executor's lock; waits at most `wait`, telling who holds it.
    async fn lock(&mut self, wait: Duration, tell: &mut dyn FnMut(Event)) -> Result<()>;

    /// Connects again after the session was lost under the lock, tries for `within`, and proves that what answers is the
    /// same database and has every record that was told as done. The lock is to be taken anew.
    ///
    /// # Errors
    /// `lost` itself where `within` is nought; else why the run cannot go on.
    async fn recover(
        &mut self,
        lost: Error,
        within: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()>;

    /// Gives the lock back. Everything told before is durable once this returns.
    async fn unlock(&mut self) -> Result<()>;

    /// Makes or upgrades kmig's own tables. Only under the lock.
    async fn set_up(&mut self) -> Result<()>;

    /// Records the batch in one write, before its first statement.
    async fn begin(&mut self, batch: &Batch, set: &MigrationSet) -> Result<()>;

    /// Runs units in order, many in flight where that is safe. With a `gate` each destructive one is alone, and it is looked
    /// once more who is connected before it takes effect: on Postgres inside its transaction.
    async fn apply(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt>;

    /// One fresh look at who is connected, everywhere that can be looked at, and at the counters of what is doomed.
    async fn evidence(&mut self, doomed: &Doomed) -> Result<Evidence>;

    /// Who was seen since the batch was taken on, as it is journaled.
    async fn sightings(&mut self, batch: i64) -> Result<Vec<Sighting>>;

    /// Journals who was seen, in JSON; with the lock or without it.
    async fn sighted(&mut self, batch: i64, kind: &str, detail: &str) -> Result<()>;

    /// Keeps roles of the old version from connecting, for good.
    async fn shut_out(&mut self, roles: &[String]) -> Result<()>;

    /// Asks the queries of a check or ready part, changing nothing.
    async fn ask(&mut self, part: &Part) -> Result<Asked>;

    /// Runs a backfill part once more and tells how many of its statements changed something.
    async fn sweep(
        &mut self,
        migration: &Migration,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize>;

    /// Writes to the journal what is no step: an override with its reason, a version.
    async fn note(&mut self, entry: Entry<'_>) -> Result<()>;

    /// Replaces the checksums that are recorded for parts of a migration, and journals why, in one transaction. Nothing
    /// stands for a part that is gone.
    async fn accept(
        &mut self,
        migration: &Migration,
        seals: &[(PartKind, Option<String>)],
        reason: &str,
    ) -> Result<()>;

    /// What killed runs left behind that may harm the application.
    async fn leftovers(&mut self) -> Result<Vec<Leftover>>;

    /// Which of these objects are not there, by index.
    async fn look(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<usize>>;

    /// What is there under the name of each of these objects.
    async fn find(&mut self, wanted: &[&Wanted<'_>]) -> Result<Vec<Vec<Thing>>>;

    /// Drops these and what kmig has recorded; on Postgres in one transaction: all of them or, where anything else depends
    /// on one, none. On Cassandra a reset that stops in the middle is all that can be run until it is complete.
    /// What is gone already is fine.
    async fn remove(&mut self, things: &[Thing], tell: &mut dyn FnMut(Event)) -> Result<()>;

    /// Records the migrations of a batch as executed, without running anything, and journals why, in one transaction.
    async fn adopt(
        &mut self,
        batch: &Batch,
        set: &MigrationSet,
        entries: &[Entry<'_>],
    ) -> Result<()>;

    /// What the database shows of what these words name, for the judge of statements.
    async fn known(&mut self, words: &[String]) -> Result<Known>;

    /// Who holds the lock now.
    async fn holder(&mut self) -> Result<Option<Holder>>;

    /// Who holds the lock and what it does, and who waits for it.
    async fn scene(&mut self) -> Result<Option<Scene>>;

    /// Ends the lock's holder, unless it has given the lock back by itself.
    async fn end(&mut self, holder: &Holder) -> Result<Ending>;

    /// Journals that the lock of this holder was broken, and why.
    async fn note_broken(&mut self, holder: &Holder, reason: Option<&str>) -> Result<()>;

    /// The name of the database or keyspace, once [`Backend::history`] has been read.
    fn name(&self) -> &str;

    /// What a reset that was stopped has left is read all the same: this is a reset.
    fn for_reset(&mut self);

    /// Goes on without these members of a cluster, host ids, which are known to stay down.
    fn leave_out(&mut self, members: &[String]) -> Result<()>;

    /// What a signal can cancel of the statement that is running, where the server knows how to.
    fn canceller(&self) -> Option<Canceller>;
}

/// Cancels the statement that a server is running, from a connection of its own.
pub type Canceller = postgres::connect::CancelHandle;

/// Says between two statements, and in every pause, whether a signal wants the run to end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

impl Stop {
    /// Wants the run to end.
    pub fn set(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// Waits until the run is to end.
    pub async fn wanted(&self) {
        loop {
            // Before the look: a call of `set` in between is not missed.
            let told = self.0.1.notified();
            if self.0.0.load(Ordering::SeqCst) {
                return;
            }
            told.await;
        }
    }

    /// Pauses for so long.
    ///
    /// # Errors
    /// A signal came, before it or in it.
    pub async fn pause(&self, time: Duration) -> Result<()> {
        // That the time is over is how a pause ends.
        let _ = tokio::time::timeout(time, self.wanted()).await;
        self.check()
    }

    /// Passes as long as nothing wants the run to end.
    ///
    /// # Errors
    /// A signal came.
    pub fn check(&self) -> Result<()> {
        if self.0.0.load(Ordering::SeqCst) {
            Err(Error::new(Exit::Interrupted, "nothing more was begun"))
        } else {
            Ok(())
        }
    }
}

/// A run that stopped in the middle.
#[derive(Debug)]
pub struct Halt {
    /// Units that are done and recorded.
    pub done: usize,
    /// What stopped it; its place is set.
    pub error: Box<Error>,
}

/// What came of a check or ready part.
#[derive(Debug)]
pub enum Asked {
    /// No query returned a row.
    Clear,
    /// The first row of the first query that returned one.
    Violation(Violation),
    /// A query names what is not there; an earlier migration of the batch may be about to make it.
    TooEarly(Error),
}

/// What is journaled of a look at who is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// `seen` by the batch's `up`, or `gate`.
    pub kind: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What clients announced.
    pub announced: Vec<String>,
}

impl Sighting {
    /// Reads what [`Backend::sighted`] wrote: `{"clients": {"gateway/1.0": 4}}`.
    pub fn read(kind: &str, at: i64, detail: &str) -> Option<Self> {
        let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
        let clients = detail.get("clients")?.as_object()?;
        Some(Sighting {
            kind: kind.to_string(),
            at,
            announced: clients.keys().cloned().collect(),
        })
    }
}

/// A row that a check or ready part returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Index of the statement in its part.
    pub statement: usize,
    /// The row as the server shows it, column by column.
    pub row: Vec<(String, Option<String>)>,
}

impl Violation {
    /// The error of a part that found a row.
    pub fn error(self, migration: &Migration, part: &Part, kind: PartKind) -> Error {
        let (what, next) = match kind {
            PartKind::Check => (
                "refuses the up",
                "mend the rows that its query returns, then kmig up",
            ),
            _ => (
                "refuses the finish",
                "mend the rows that its query returns, then kmig finish",
            ),
        };
        let row: Vec<String> = self
            .row
            .into_iter()
            .map(|(column, value)| format!("{column} = {}", value.as_deref().unwrap_or("NULL")))
            .collect();
        Error::new(
            Exit::Refused,
            format!(
                "the {kind} part of {} {what}; the first row that it found: {}",
                migration.label(),
                row.join(", ")
            ),
        )
        .at(part.place(self.statement))
        .now(untouched_by(kind))
        .next(next)
    }
}

/// What is true after a check or ready part refused.
pub fn untouched_by(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Check => "nothing was run",
        _ => "nothing destructive was run; the migrations are pending as before",
    }
}

/// An object that was found in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// The oid of its catalogue; 0 where the engine has none.
    pub class: u32,
    /// Its own oid; 0 where the engine has none.
    pub oid: u32,
    /// What the server calls its kind, as DROP wants it.
    pub kind: String,
    /// Its name in full, quoted where need be; of a function with its arguments.
    pub name: String,
    /// An estimate of its rows, where there is one.
    pub rows: Option<i64>,
}

impl Thing {
    /// What tells it apart from others.
    pub fn key(&self) -> (u32, u32, String, String) {
        (self.class, self.oid, self.kind.clone(), self.name.clone())
    }
}

/// A line of the journal that is no step.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// `version`, `override`, `accept` …
    pub kind: &'a str,
    /// The migration concerned, if any.
    pub migration: Option<&'a Migration>,
    /// An application version to be recorded with it.
    pub app_version: Option<&'a str>,
    /// The user's reason, or other words for the reader of the journal.
    pub reason: Option<&'a str>,
}

/// What happens during a run, for whoever watches it.
#[derive(Debug, Clone)]
pub enum Event {
    /// Another executor holds the lock; said once, and again when the holder changes.
    Waiting(Option<Holder>),
    /// The holder is proved dead, and what came of ending its server process.
    Orphan(Holder, Ending),
    /// A statement is done; its unit may still be rolled back.
    Statement,
    /// A unit is done and recorded.
    Unit {
        /// Its statements.
        statements: usize,
        /// `subsystem/NNN_name`.
        migration: String,
        /// Its part.
        part: PartKind,
        /// Whether the part is now complete.
        complete: bool,
    },
    /// The statement could not get its lock in time and will be tried again.
    Retry {
        /// `path:line:column` of the statement.
        place: String,
        /// What the server said.
        message: String,
        /// How long it will still be tried.
        left: Duration,
        /// Who stood in its way; not known at the first try.
        blockers: Vec<Blocker>,
    },
    /// A statement that nobody queues behind waits for others to end: before it is begun, or inside the server.
    Blocked {
        /// `path:line:column` of the statement.
        place: String,
        /// How long it will wait before it is begun; nothing once it runs.
        left: Option<Duration>,
        /// Who stands in its way.
        blockers: Vec<Blocker>,
    },
    /// The server sent a notice.
    Notice {
        /// NOTICE, WARNING, INFO …
        severity: String,
        /// Its text.
        message: String,
    },
    /// The session with the database was lost; it will be tried to get another one.
    Lost {
        /// What is known of the loss.
        message: String,
        /// How long it is tried.
        within: Duration,
    },
    /// There is a session again, with the same database.
    Recovered,
    /// A decision about a statement that an earlier run left in doubt.
    Reconciled(String),
    /// A backfill part was swept: round, and statements that changed something.
    Swept {
        /// `subsystem/NNN_name`.
        migration: String,
        /// From 1.
        round: usize,
        /// Statements that changed rows.
        changed: usize,
    },
}
