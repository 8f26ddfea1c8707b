//! Cassandra: one session that holds the lease, runs the units through one coordinator and keeps the record.

mod apply;
mod ask;
pub mod cells;
pub mod claim;
mod clocks;
pub mod connect;
mod ddl;
mod dml;
mod evidence;
pub mod fault;
mod holder;
mod intent;
mod journal;
mod known;
mod lease;
mod look;
mod members;
pub mod names;
mod pending;
mod probe;
mod query;
mod read;
mod record;
mod recorded;
mod recover;
mod remove;
mod renewal;
mod replicas;
mod resume;
pub mod rights;
mod schema;
mod seen;
mod setup;
mod share;
mod sight;
mod state;
mod tables;
pub mod target;
mod tls;

use super::{
    Asked, Backend, Canceller, Ending, Entry, Event, Halt, Holder, Leftover, Scene, Sighting, Stop,
    Thing,
};
use crate::cql::Act;
use crate::error::{Error, Result};
use crate::gate::{Demand, Doomed, Evidence};
use crate::plan::Batch;
use crate::plan::history::{Applied, History, Progress};
use crate::plan::schedule::Unit;
use crate::plan::there::Wanted;
use crate::run::RunId;
use crate::settings::{Level, Replication, SerialLevel};
use crate::source::{Migration, MigrationId, MigrationSet, Part, PartKind};
use journal::Line;
use members::Ring;
use names::Names;
use query::Sender;
use record::Recorder;
use scylla::statement::{Consistency, SerialConsistency};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tables::Own;
use target::Target;
use uuid::Uuid;

/// What the backend is told of kmig.toml and of this run.
#[derive(Debug, Clone)]
pub struct Options {
    /// How kmig's tables are called.
    pub table: String,
    /// How a keyspace that is not there is replicated; nothing where none may be made.
    pub replication: Option<Replication>,
    /// The role, where the cluster wants one.
    pub role: Option<String>,
    /// How long the lease holds without a renewal.
    pub lease: Duration,
    /// How long the agreement of all members is awaited.
    pub agreement: Duration,
    /// How long the answer to a request is awaited, at most.
    pub request_timeout: Duration,
    /// Members that agreement is not asked of, since they are known to stay down.
    pub without: BTreeSet<Uuid>,
    /// One run of kmig, told apart from all others.
    pub run: RunId,
    /// `user@host`.
    pub by: String,
    /// Whether a signal wants the run to end.
    pub stop: Stop,
}

/// A connected keyspace.
pub struct Cassandra {
    sender: Sender,
    recorder: Recorder,
    options: Options,
    /// What the schema says of kmig's own tables.
    own: Own,
    lease: Option<lease::Lease>,
    /// Those who agreed last.
    members: Ring,
    /// The schema changes that come right behind those that are being run.
    next: Vec<Act>,
    /// What was seen for some when the last statement before them was proved.
    sighted: Option<(Vec<Act>, sight::Sight)>,
    /// What is recorded, as of the last read and what was written since.
    rows: BTreeMap<MigrationId, Applied>,
    /// What stopped runs were sending, likewise.
    open: BTreeMap<MigrationId, String>,
    /// Number and version of the last batch.
    last: Option<(i64, Option<String>)>,
    /// From when on nothing of a run that was not ended cleanly can still arrive, since the machine was started.
    quiet_from: Option<Duration>,
    /// Whether a change of the schema whose answer nobody has may be what still arrives.
    late: bool,
    /// Whether what a reset that was stopped has left is read all the same.
    resets: bool,
    /// The latest write time that was given to a write, in microseconds.
    last_write: i64,
    /// The last look of the gate, against which counters are held.
    looked: Option<Evidence>,
    /// The version floor that is recorded.
    floor: Option<String>,
}

impl Cassandra {
    /// Connects, and asks nothing else.
    ///
    /// # Errors
    /// No contact point can be reached, or the cluster refuses the role.
    pub async fn open(target: &Target, options: Options) -> Result<Self> {
        tracing::debug!(target = %target.describe(), "connecting");
        let link = connect::connect(target).await?;
        tracing::debug!(coordinator = %link.home, version = %link.version.text, "connected");
        let names = Names::new(&target.keyspace, &options.table);
        Ok(Cassandra {
            sender: Sender {
                session: Arc::new(link.session),
                coordinator: link.home,
                consistency: match target.consistency {
                    Level::Quorum => Consistency::Quorum,
                    Level::LocalQuorum => Consistency::LocalQuorum,
                    Level::All => Consistency::All,
                },
                serial: match target.serial_consistency {
                    SerialLevel::Serial => SerialConsistency::Serial,
                    SerialLevel::LocalSerial => SerialConsistency::LocalSerial,
                },
                timeout: options.request_timeout,
            },
            recorder: Recorder {
                names,
                incarnation: Uuid::nil(),
                by: options.by.clone(),
            },
            options,
            own: Own::Missing,
            lease: None,
            members: Ring::default(),
            next: Vec::new(),
            sighted: None,
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            last: None,
            quiet_from: None,
            late: false,
            resets: false,
            last_write: 0,
            looked: None,
            floor: None,
        })
    }
}

impl Backend for Cassandra {
    async fn history(&mut self) -> Result<Option<History>> {
        self.read().await
    }

    async fn lock(&mut self, wait: Duration, tell: &mut dyn FnMut(Event)) -> Result<()> {
        self.take_lease(wait, tell).await
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
        let Some(lease) = self.lease.take() else {
            return Ok(());
        };
        let in_doubt = self.late || !self.open.is_empty();
        let released = lease.release(&self.taker(), in_doubt).await;
        self.sender.timeout = self.options.request_timeout;
        released
    }

    async fn set_up(&mut self) -> Result<()> {
        // The tables come before the lease, which stands in one of them.
        Ok(())
    }

    async fn begin(&mut self, batch: &Batch, set: &MigrationSet) -> Result<()> {
        let members = self.members_of(batch.number);
        let floor = self.floor.as_deref();
        let texts = self
            .recorder
            .batch(batch, set, &members, self.last(), floor);
        let kind = if batch.undo.is_none() {
            "batch"
        } else {
            "undo"
        };
        let detail = json!({
            "origin": batch.origin.word(),
            "took": batch.take.len(),
            "left": batch.leave.len(),
            "taken_back": batch.undo.as_ref().map(Vec::len),
        });
        let line = Line {
            kind,
            batch: Some(batch.number),
            app_version: batch.app_version.as_deref(),
            detail: Some(detail.to_string()),
            ..Line::default()
        };
        self.write_with(&texts, &[line]).await?;
        self.took(batch, set, Progress::BEGIN);
        Ok(())
    }

    async fn apply(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt> {
        self.looked = None;
        self.apply_units(units, batch, gate, tell).await
    }

    async fn evidence(&mut self, doomed: &Doomed) -> Result<Evidence> {
        self.look_around(doomed).await
    }

    async fn sightings(&mut self, batch: i64) -> Result<Vec<Sighting>> {
        self.read_sightings(batch).await
    }

    async fn sighted(&mut self, batch: i64, kind: &str, detail: &str) -> Result<()> {
        if !matches!(self.own, Own::There(_)) {
            return Ok(());
        }
        let line = Line {
            kind,
            batch: Some(batch),
            detail: Some(detail.to_string()),
            ..Line::default()
        };
        let run = self.options.run.to_string();
        journal::write(&self.sender, &self.recorder, &run, &[line]).await
    }

    async fn shut_out(&mut self, _roles: &[String]) -> Result<()> {
        Err(Error::usage(
            "revoke_connect in [gate] is for Postgres: on Cassandra a role keeps its login",
        )
        .now("nothing destructive was run; the migrations are pending as before")
        .next("take it out of kmig.toml; ALTER ROLE … WITH LOGIN = false keeps a role out"))
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
        let version = entry.app_version.filter(|_| entry.kind == "version");
        let mut texts: Vec<String> = version
            .map(|version| self.recorder.version(version))
            .into_iter()
            .collect();
        if entry.kind == "floor" {
            texts.push(self.recorder.floor(entry.app_version));
            self.floor = entry.app_version.map(str::to_string);
        }
        self.write_with(&texts, &[line(&entry)]).await
    }

    async fn accept(
        &mut self,
        migration: &Migration,
        seals: &[(PartKind, Option<String>)],
        reason: &str,
    ) -> Result<()> {
        let applied = self.row(&migration.id)?;
        let text = self.recorder.accept(migration, &applied, seals);
        let entry = Entry {
            kind: "accept",
            migration: Some(migration),
            app_version: None,
            reason: Some(reason),
        };
        self.write_with(&[text], &[line(&entry)]).await
    }

    async fn leftovers(&mut self) -> Result<Vec<Leftover>> {
        // A build that was killed goes on in the server.
        Ok(Vec::new())
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
        let members = self.members_of(batch.number);
        let floor = self.floor.as_deref();
        let texts = self
            .recorder
            .adopted(batch, set, &members, self.last(), floor);
        let mut lines = vec![Line {
            kind: "batch",
            batch: Some(batch.number),
            app_version: batch.app_version.as_deref(),
            detail: Some(
                json!({ "origin": batch.origin.word(), "took": batch.take.len() }).to_string(),
            ),
            ..Line::default()
        }];
        lines.extend(entries.iter().map(line));
        self.write_with(&texts, &lines).await?;
        self.took(batch, set, Progress::Executed);
        Ok(())
    }

    async fn known(&mut self, _words: &[String]) -> Result<crate::safety::Known> {
        self.shown().await
    }

    async fn holder(&mut self) -> Result<Option<Holder>> {
        self.lease_holder().await
    }

    async fn scene(&mut self) -> Result<Option<Scene>> {
        self.lease_scene().await
    }

    async fn end(&mut self, holder: &Holder) -> Result<Ending> {
        self.break_lease(holder).await
    }

    async fn note_broken(&mut self, holder: &Holder, reason: Option<&str>) -> Result<()> {
        self.journal_broken(holder, reason).await
    }

    fn name(&self) -> &str {
        &self.recorder.names.keyspace
    }

    fn for_reset(&mut self) {
        self.resets = true;
    }

    fn leave_out(&mut self, members: &[String]) -> Result<()> {
        for member in members {
            let id = member.parse().map_err(|_| {
                Error::usage(format!("--without-node: {member} is no host id"))
                    .now("nothing was run")
                    .next("nodetool status shows the host id of each node")
            })?;
            self.options.without.insert(id);
        }
        Ok(())
    }

    fn canceller(&self) -> Option<Canceller> {
        // The protocol cannot take a request back: it is settled by its post-condition.
        None
    }
}

fn line<'a>(entry: &Entry<'a>) -> Line<'a> {
    Line {
        kind: entry.kind,
        migration: entry.migration,
        app_version: entry.app_version,
        detail: entry
            .reason
            .map(|reason| json!({ "reason": reason }).to_string()),
        ..Line::default()
    }
}
