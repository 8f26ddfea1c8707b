//! Postgres: one session that takes the lock, runs the units and keeps the record.

mod apply;
mod ask;
mod bare;
mod bare_step;
mod budget;
mod catalogue;
pub mod connect;
pub mod conninfo;
mod copy;
pub mod environment;
mod evidence;
mod explain;
mod fault;
mod group;
mod holder;
mod identity;
mod known;
mod last_look;
mod leftover;
mod lock;
mod look;
pub mod names;
pub mod outside;
pub mod passfile;
mod patience;
mod pooler;
mod preflight;
mod pulse;
mod query;
mod read;
mod record;
mod recover;
mod reindex;
mod remove;
mod same_index;
mod script;
pub mod service;
mod session;
mod setup;
pub mod tls;
mod traffic;
mod watch;
pub mod wire;

use super::{
    Asked, Backend, Canceller, Ending, Entry, Event, Halt, Holder, Leftover, Scene, Sighting, Stop,
    Thing,
};
use crate::error::{Error, Result};
use crate::gate::{Demand, Doomed, Evidence};
use crate::plan::Batch;
use crate::plan::history::History;
use crate::plan::schedule::Unit;
use crate::plan::there::Wanted;
use crate::run::RunId;
use crate::safety::Known;
use crate::source::{Migration, MigrationSet, Part, PartKind};
use connect::Connection;
use fault::Fault;
use identity::Identity;
use names::Names;
use outside::{Outside, Places};
use pulse::Pulse;
use record::{Author, Recorder};
use script::{Role, Stopped};
use session::Session;
use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use watch::Watch;

/// What the backend is told of kmig.toml and of this run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where kmig's tables live; the connection's first schema where it is not set.
    pub schema: Option<String>,
    /// How they are called.
    pub table: String,
    /// How long a statement waits for a lock before it makes way.
    pub lock_timeout: Duration,
    /// How long a statement that makes way is tried again.
    pub ddl_deadline: Duration,
    /// From which age on a transaction is waited for before a statement is begun that would wait for it without end.
    pub old_transaction: Duration,
    /// Where the gate looks beside this server.
    pub gate: Places,
    /// One run of kmig, told apart from all others.
    pub run: RunId,
    /// `user@host`.
    pub by: String,
    /// Whether a signal wants the run to end.
    pub stop: Stop,
}

/// A connected Postgres.
pub struct Postgres {
    connection: Connection,
    options: Options,
    session: Session,
    recorder: Recorder,
    key: i64,
    /// Whether this session took the lock.
    locked: bool,
    standby: bool,
    database: String,
    format: Option<i64>,
    /// The server process that answers, which is not the one that a pooler announced.
    pid: i32,
    /// Whether transactions were committed that may not have reached the disk.
    adrift: bool,
    /// Where a second connection is to be had.
    target: conninfo::Target,
    /// Who watches whom a statement waits for, once one had to make way.
    watch: Option<Watch>,
    /// Where the statement stands that runs without lock timeout.
    patient: Option<String>,
    /// The INVALID index of a failed build that could not be dropped.
    left_invalid: Option<String>,
    /// Who notices that the session is lost where nobody says so.
    pulse: Option<Pulse>,
    /// What the session is, once it has taken the lock.
    identity: Option<Identity>,
    /// Transactions with a record that the server has acknowledged in this run.
    acknowledged: Cell<u64>,
    /// Sessions with what the gate looks at beside this server.
    outside: Outside,
}

impl Postgres {
    /// Connects, and nothing else: no query is sent.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the role.
    pub async fn open(target: &conninfo::Target, options: Options) -> Result<Self> {
        tracing::debug!(target = %target.describe(), "connecting");
        let connection = connect::connect(target).await.map_err(Error::from)?;
        let server = connection
            .parameters
            .get("server_version")
            .map_or(0, |version| version_number(version));
        tracing::debug!(target = %target.describe(), server, pid = connection.backend_pid, "connected");
        let names = Names::new(options.schema.as_deref(), &options.table);
        Ok(Postgres {
            session: Session {
                application_name: target.application_name.clone(),
                lock_timeout: options.lock_timeout,
                server,
                watches_clients: server >= 140_000,
            },
            recorder: Recorder {
                names,
                author: Author {
                    run: options.run.to_string(),
                    by: options.by.clone(),
                },
            },
            pid: connection.backend_pid,
            pulse: Pulse::start(target, &connection, None),
            identity: None,
            acknowledged: Cell::new(0),
            outside: Outside::default(),
            connection,
            options,
            key: 0,
            locked: false,
            standby: false,
            database: String::new(),
            format: None,
            adrift: false,
            target: target.clone(),
            watch: None,
            patient: None,
            left_invalid: None,
        })
    }

    /// Ends a transaction that failed, and everything that its part did to the session.
    async fn roll_back(&self) -> Result<()> {
        let client = &self.connection.client;
        client
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| Fault::from(error).error())?;
        self.start_over().await
    }

    /// Takes back what a part did to the session, outside a transaction.
    async fn start_over(&self) -> Result<()> {
        let mut lines = self.session.reset();
        lines.push(lock::take_again(self.key));
        let client = &self.connection.client;
        client
            .batch_execute(&lines.join(";"))
            .await
            .map_err(|error| Fault::from(error).error())
    }

    fn notices(&mut self, tell: &mut dyn FnMut(Event)) {
        while let Ok(notice) = self.connection.messages.try_recv() {
            tell(Event::Notice {
                severity: notice.severity,
                message: notice.message,
            });
        }
        let unheard = self.connection.unheard.swap(0, Ordering::Relaxed);
        if unheard > 0 {
            tell(Event::Notice {
                severity: "NOTICE".to_string(),
                message: format!("… and {unheard} more messages of the server"),
            });
        }
    }

    /// Writes what is to be recorded, in a durable transaction that adds one line to the journal.
    async fn record(&self, statements: &[String]) -> Result<(), Stopped> {
        let script = apply::own(statements, self.key);
        script.run(&self.connection.client, |_| {}).await?;
        self.acknowledge();
        Ok(())
    }

    /// A transaction with a record is committed, and the server has said so.
    fn acknowledge(&self) {
        self.acknowledged.set(self.acknowledged.get() + 1);
    }

    async fn write(&self, statements: &[String]) -> Result<()> {
        let Err(stopped) = self.record(statements).await else {
            return Ok(());
        };
        if !stopped.fault.session_gone() {
            // The first error is what the user needs.
            let _ = self.roll_back().await;
        }
        if stopped.line.role == Role::Guard && stopped.fault.is(&SqlState::DIVISION_BY_ZERO) {
            return Err(lock::lost());
        }
        let rights = stopped.fault.is(&SqlState::INSUFFICIENT_PRIVILEGE);
        let error = stopped.fault.error();
        Err(if rights {
            error.next(self.recorder.names.grant())
        } else {
            error
        })
    }
}

impl Backend for Postgres {
    async fn history(&mut self) -> Result<Option<History>> {
        let reading = read::reading(
            &self.connection.client,
            self.connection.backend_pid,
            self.options.schema.as_deref(),
            &self.options.table,
        )
        .await?;
        self.recorder.names = Names::new(Some(&reading.schema), &self.options.table);
        // A migration may create a schema that comes first from then on: this run stays where it began.
        self.options.schema = Some(reading.schema);
        self.key = reading.key;
        self.standby = reading.standby;
        self.database = reading.database;
        self.format = reading.format;
        if self.locked && reading.pid != self.pid {
            return Err(pooler::refused(
                "another server process answers now than the one that holds the lock",
            )
            .now("what was told as done is recorded"));
        }
        self.pid = reading.pid;
        Ok(reading.history)
    }

    async fn lock(&mut self, wait: Duration, tell: &mut dyn FnMut(Event)) -> Result<()> {
        self.refuse_standby()?;
        let other = match self.pooled() {
            true => self.own_process().await?,
            false => None,
        };
        let taken = self.settle_and_take(wait, other.as_ref(), tell).await;
        self.locked = taken.is_ok();
        // What the lost session was sending when its line broke may have been committed since: nobody does so under the lock.
        if taken.is_ok() && self.acknowledged.get() > 0 {
            let found = self.recorded(&self.connection).await?;
            self.acknowledged.set(found);
        }
        if taken.is_err() {
            self.clear_pooled().await;
        }
        taken
    }

    async fn recover(
        &mut self,
        lost: Error,
        within: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        self.recover_session(lost, within, tell).await
    }

    async fn unlock(&mut self) -> Result<()> {
        if std::mem::take(&mut self.adrift) {
            // What is told as done must survive a crash of the server: a commit that waits for the disk carries all
            // commits before it.
            self.note(Entry {
                kind: "end",
                migration: None,
                app_version: None,
                reason: None,
            })
            .await?;
        }
        self.locked = false;
        let released = lock::release(&self.connection.client).await;
        self.clear_pooled().await;
        released
    }

    async fn set_up(&mut self) -> Result<()> {
        if self.format != Some(read::FORMAT) {
            setup::tables(&mut self.connection.client, &self.recorder.names).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, batch: &Batch, set: &MigrationSet) -> Result<()> {
        self.write(&self.recorder.batch(batch, set)).await
    }

    async fn apply(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt> {
        self.adrift = true;
        self.apply_units(units, batch, gate, tell).await
    }

    async fn evidence(&mut self, _doomed: &Doomed) -> Result<Evidence> {
        self.look_around().await
    }

    async fn sightings(&mut self, batch: i64) -> Result<Vec<Sighting>> {
        self.read_sightings(batch).await
    }

    async fn sighted(&mut self, batch: i64, kind: &str, detail: &str) -> Result<()> {
        let line = self.recorder.sighted(batch, kind, detail);
        match self.locked {
            true => self.write(&[line]).await,
            false => self.append(&line).await,
        }
    }

    async fn shut_out(&mut self, roles: &[String]) -> Result<()> {
        self.take_connect(roles).await
    }

    async fn ask(&mut self, part: &Part) -> Result<Asked> {
        self.ask_part(part).await
    }

    async fn sweep(
        &mut self,
        migration: &Migration,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        self.sweep_part(migration, part, tell).await
    }

    async fn note(&mut self, entry: Entry<'_>) -> Result<()> {
        self.write(&[self.recorder.entry(&entry)]).await
    }

    async fn accept(
        &mut self,
        migration: &Migration,
        seals: &[(PartKind, Option<String>)],
        reason: &str,
    ) -> Result<()> {
        let entry = Entry {
            kind: "accept",
            migration: Some(migration),
            app_version: None,
            reason: Some(reason),
        };
        let accepted = self.recorder.accept(migration, seals);
        self.write(&[accepted, self.recorder.entry(&entry)]).await
    }

    async fn leftovers(&mut self) -> Result<Vec<Leftover>> {
        leftover::read(&self.connection.client, &self.recorder.names).await
    }

    async fn look(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<usize>> {
        self.missing(wanted).await
    }

    async fn find(&mut self, wanted: &[&Wanted<'_>]) -> Result<Vec<Vec<Thing>>> {
        self.things(wanted).await
    }

    async fn remove(&mut self, things: &[Thing], tell: &mut dyn FnMut(Event)) -> Result<()> {
        self.remove_things(things, tell).await
    }

    async fn adopt(
        &mut self,
        batch: &Batch,
        set: &MigrationSet,
        entries: &[Entry<'_>],
    ) -> Result<()> {
        let mut sql = self.recorder.adopted(batch, set);
        sql.extend(entries.iter().map(|entry| self.recorder.entry(entry)));
        self.write(&sql).await
    }

    async fn known(&mut self, words: &[String]) -> Result<Known> {
        known::read(&self.connection.client, words).await
    }

    async fn holder(&mut self) -> Result<Option<Holder>> {
        holder::holder(&self.connection.client, self.key, &self.options.run).await
    }

    async fn scene(&mut self) -> Result<Option<Scene>> {
        self.lock_scene().await
    }

    async fn end(&mut self, holder: &Holder) -> Result<Ending> {
        self.end_holder(holder).await
    }

    async fn note_broken(&mut self, holder: &Holder, reason: Option<&str>) -> Result<()> {
        self.journal_broken(holder, reason).await
    }

    fn name(&self) -> &str {
        &self.database
    }

    fn for_reset(&mut self) {
        // A reset is one transaction, and leaves nothing half-done.
    }

    fn leave_out(&mut self, members: &[String]) -> Result<()> {
        match members.is_empty() {
            true => Ok(()),
            false => Err(Error::usage(
                "--without-node is for Cassandra: a Postgres database has one server",
            )
            .now("nothing was run")
            .next("the same command without it")),
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.connection.cancel.clone())
    }
}

/// `15.18 (Debian …)` as 150018, `18beta1` as 180000.
fn version_number(text: &str) -> u32 {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let major = numbers.next().unwrap_or(0);
    let minor = if text[..].contains('.') {
        numbers.next().unwrap_or(0)
    } else {
        0
    };
    major * 10_000 + minor
}
