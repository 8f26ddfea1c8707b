//! One file of an export into its table: read, converted and grouped on a thread of its own, sent in many requests.

use super::doubt::Before;
use super::feed::{Item, Ready, read};
use super::hitches::Hitches;
use super::patience::Patience;
use super::sent::{Clock, Sent, Texts};
use super::silence::BRING_BACK;
use super::statements::Columns;
use super::throttle::Throttle;
use super::write::{Refusal, Surroundings, Unwritten, Writer};
use crate::backend::Stop;
use crate::backend::cassandra::claim::Hold;
use crate::backend::cassandra::fault::Fault;
use crate::backend::cassandra::members;
use crate::backend::cassandra::names::identifier;
use crate::backend::cassandra::query::Sender;
use crate::backend::cassandra::schema;
use crate::backup::convert::Converter;
use crate::backup::layout::Layout;
use crate::backup::mapping::TableMap;
use crate::backup::marker::Marker;
use crate::backup::preflight::altered;
use crate::backup::table::Part;
use crate::cql::schema::Table;
use crate::cql::{Name, Object};
use crate::error::{Error, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use scylla::client::session::Session;
use scylla::statement::Consistency;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

/// Requests that are ready and wait for one in flight to end.
const READY: usize = 32;

/// What every file of an import shares.
#[derive(Clone)]
pub struct Way<'a> {
    /// The session.
    pub session: Arc<Session>,
    /// Asks what the schema is.
    pub(super) sender: Sender,
    /// The keyspace, unquoted.
    pub keyspace: String,
    /// At which level rows are written.
    pub consistency: Consistency,
    /// The servers' clock.
    pub clock: Clock,
    /// Bytes of one request, where its rows allow.
    pub request_bytes: usize,
    /// Requests in flight, for each file, at most.
    pub in_flight: usize,
    /// How many more bytes may wait or be in flight.
    pub(super) room: Arc<Semaphore>,
    /// How much is asked of the cluster by all files together.
    pub throttle: Arc<Throttle>,
    /// After how long no server begins any more with a write that it has got.
    pub quiet: Duration,
    /// Told of what makes a request be sent again.
    pub hitches: &'a Hitches<'a>,
    /// Whether a signal wants the run to end.
    pub stop: Stop,
}

/// A file and what it becomes.
#[derive(Debug, Clone)]
pub struct Job {
    /// What becomes of its columns.
    pub map: Arc<TableMap>,
    /// Which rows it has.
    pub part: Part,
    /// Its columns.
    pub layout: Layout,
    /// Where it is.
    pub path: PathBuf,
    /// How markers are written.
    pub marker: Marker,
    /// Whether some of its rows may be there.
    pub before: Before,
    /// Whether lists may be there that have grown since: then each element is a statement of its own.
    pub grows: bool,
    /// The keyspace's table as it was when all this was decided; nothing where none is written.
    pub table: Option<Arc<Table>>,
    /// The claim that its rows are sent under; nothing where none is written.
    pub hold: Option<Hold>,
    /// No more rows than this, where only a sample is looked at.
    pub rows_max: Option<u64>,
}

/// A row that was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its key in the keyspace, where that converts.
    pub key: Vec<Vec<u8>>,
    /// The column at fault, where it is one.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
    /// The column's value as the export has it.
    pub value: Option<Vec<u8>>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Cells and elements that had expired.
    pub expired: u64,
    /// The latest write time that was sent, in microseconds.
    pub max_write: Option<i64>,
}

impl Way<'_> {
    /// Writes a file. `tell` hears of each request that is done, with its rows; `reject` takes each row that does not fit.
    ///
    /// # Errors
    /// The file cannot be read, the cluster does not take it, or a signal wants the run to end.
    pub async fn load(
        &self,
        job: Job,
        tell: &mut dyn FnMut(usize),
        reject: &mut dyn FnMut(Rejected) -> Result<()>,
    ) -> Result<Loaded> {
        let (texts, writer) = self.prepare(&job).await?;
        let may_be_there = job.before;
        let (map, before) = (job.map.clone(), job.table.clone());
        let table = job.map.target.name.clone();
        let (send, mut ready) = mpsc::channel(READY);
        let (clock, bytes) = (self.clock, self.request_bytes);
        let handing = Ready {
            room: self.room.clone(),
            runtime: Handle::current(),
            send,
        };
        let reading =
            tokio::task::spawn_blocking(move || read(&job, &texts, clock, bytes, &handing));
        let mut flying = FuturesUnordered::new();
        let mut rejected = 0;
        let mut open = true;
        while open || !flying.is_empty() {
            tokio::select! {
                item = ready.recv(), if open && flying.len() < self.in_flight => match item {
                    None => open = false,
                    Some(Item::Reject(row)) => {
                        rejected += 1;
                        reject(row)?;
                    }
                    Some(Item::Rows(rows, room)) => {
                        self.stop.check()?;
                        let (writer, throttle) = (&writer, &self.throttle);
                        flying.push(async move {
                            let turn = throttle.turn().await;
                            let written = writer.write(&rows, clock, may_be_there).await;
                            match &written {
                                Ok(_) => turn.answered(rows.len(), rows.iter().map(Sent::size).sum()),
                                Err(_) => turn.refused(),
                            }
                            drop(room);
                            (rows, written)
                        });
                    }
                },
                Some((rows, written)) = flying.next() => {
                    let refusals = match written {
                        Ok(refusals) => refusals,
                        Err(why) => return Err(self.failed(&table, why).await),
                    };
                    if let (false, Some(before)) = (refusals.is_empty(), &before) {
                        // Then it is no row that does not fit.
                        self.unaltered(&map, before).await?;
                    }
                    for Refusal { row, reason } in refusals {
                        rejected += 1;
                        reject(Rejected {
                            key: rows[row].key.clone(),
                            column: None,
                            reason,
                            value: None,
                        })?;
                    }
                    tell(rows.len());
                }
            }
        }
        let loaded = reading
            .await
            .map_err(|error| Error::failed(format!("a file was not read to its end: {error}")))??;
        Ok(Loaded { rejected, ..loaded })
    }

    /// Looks whether a table is still as it was decided to write to it.
    ///
    /// # Errors
    /// It is not, or no member answers for as long as kmig is patient.
    pub async fn unaltered(&self, map: &TableMap, before: &Table) -> Result<()> {
        let mut patience = Patience::new();
        loop {
            let error = match self.altered(map, before).await {
                Ok(None) => return Ok(()),
                Ok(Some(altered)) => return Err(altered),
                Err(error) => error,
            };
            self.stop.check()?;
            if patience.is_over() {
                return Err(error);
            }
            let what = format!("looking at {}.{}", self.keyspace, map.target.name);
            self.hitches.met(&what, &error.message, patience.until());
            patience.pause().await;
        }
    }

    /// What was altered of a table since it was decided to write to it, as what ends the import.
    ///
    /// # Errors
    /// The member that is asked does not answer.
    pub async fn altered(&self, map: &TableMap, before: &Table) -> Result<Option<Error>> {
        let name = &map.target.name;
        let sender = self.sender.working().await;
        let object = Object::Table(Name {
            keyspace: Some(self.keyspace.clone()),
            name: name.clone(),
        });
        let now = schema::of(&sender, sender.coordinator, &self.keyspace, &[&object]).await?;
        Ok(altered(map, before, now.tables.get(name)).map(|what| {
            Error::failed(format!(
                "{}.{name} was altered while rows were written to it: {what}",
                self.keyspace
            ))
            .now("the files that were complete before are; of the others some rows are written")
            .next("take that back, or write into the mapping what becomes of it; then the same command")
        }))
    }

    async fn failed(&self, table: &str, why: Unwritten) -> Error {
        if let Err(stopped) = self.stop.check() {
            return stopped;
        }
        let failed = format!("writing to {}.{table} failed", self.keyspace);
        let in_doubt = |error: Error| {
            error
                .now("what was imported stays; whether some rows with lists or counters were written is not known, and none of them was sent again")
                .next(BRING_BACK)
        };
        match why {
            Unwritten::Stopped(stopped) => stopped,
            Unwritten::Failed(fault) => {
                let mut error = fault.error();
                error.message = format!("{failed}: {}", error.message);
                // Whether this one request has taken effect is settled by the next run.
                error.now = None;
                error
            }
            Unwritten::Silent { node, time } => in_doubt(Error::failed(format!(
                "{failed}: {node} was sent lists or counters {:.0} s ago and has answered nothing since; it may write them whenever it goes on",
                time.as_secs_f64()
            ))),
            Unwritten::Unseen(fault) => {
                let silent = members::silent(&self.sender.working().await).await;
                let mut error = fault.error();
                error.message = format!(
                    "{failed}: not every replica tells whether it has rows with lists or counters: {}{silent}",
                    error.message
                );
                in_doubt(error)
            }
        }
    }

    async fn prepare(&self, job: &Job) -> Result<(Texts, Writer<'_>)> {
        let converter = Converter::new(&job.map, job.part, job.marker.cut_off);
        let table = format!(
            "{}.{}",
            identifier(&self.keyspace),
            identifier(&job.map.target.name)
        );
        let columns = Columns {
            table: &table,
            keys: converter.keys().collect(),
            cells: converter.columns().collect(),
            forms: converter.forms(),
        };
        let texts = Texts::of(&columns, job.part == Part::Rows);
        let writer = Writer::prepare(
            &columns,
            &texts,
            self.consistency,
            Surroundings {
                table: format!("{}.{}", self.keyspace, job.map.target.name),
                hitches: self.hitches,
                throttle: &self.throttle,
                stop: self.stop.clone(),
                sender: self.sender.clone(),
                quiet: self.quiet,
            },
        );
        let writer = writer.await.map_err(Fault::error)?.under(job.hold.clone());
        Ok((texts, writer))
    }
}
