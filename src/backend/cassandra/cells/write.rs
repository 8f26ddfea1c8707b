//! Writes rows: many requests in flight, each for one partition, each cell with its own write time and expiry.
//!
//! What may be sent again without harm is sent again until the cluster takes it. List elements and counters are not: once
//! nothing of such a row can arrive any more it is looked up (traps C11): absent → written, equal → done but for its other
//! cells, different → rejected.

use super::doubt::{Before, Look, Rest};
use super::hitches::Hitches;
use super::patience::Patience;
use super::sent::{Clock, Sent, Texts, Values};
use super::silence::Went;
use super::statements::{Columns, Text};
use super::throttle::Throttle;
use crate::backend::Stop;
use crate::backend::cassandra::claim::Hold;
use crate::backend::cassandra::fault::{Fault, INVALID, Kind};
use crate::backend::cassandra::query::Sender;
use crate::backup::group::Verb;
use crate::error::Error;
use scylla::response::query_result::QueryResult;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A row that the server would not take, or that holds something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the rows.
    pub row: usize,
    /// Why.
    pub reason: String,
}

/// Why rows were not written.
pub enum Unwritten {
    /// The cluster did not take them.
    Failed(Fault),
    /// A node was sent some that cannot be written twice, has not answered, and may still write them.
    Silent {
        /// Its address.
        node: SocketAddr,
        /// For how long it has not.
        time: Duration,
    },
    /// Not every replica tells whether it has one that cannot be written twice.
    Unseen(Fault),
    /// A signal came.
    Stopped(Error),
}

impl From<Fault> for Unwritten {
    fn from(fault: Fault) -> Self {
        Unwritten::Failed(fault)
    }
}

/// Who is told of a writer's trouble, and who ends it.
#[derive(Clone)]
pub struct Surroundings<'a> {
    /// The table, as people write it: `keyspace.table`.
    pub table: String,
    /// Told of what makes a request be sent again.
    pub hitches: &'a Hitches<'a>,
    /// Asks for less where the cluster has no time.
    pub throttle: &'a Throttle,
    /// Whether a signal wants the run to end.
    pub stop: Stop,
    /// The session.
    pub sender: Sender,
    /// After how long no server begins any more with a write that it has got.
    pub quiet: Duration,
}

impl Surroundings<'_> {
    /// A request failed, and is sent again.
    pub(super) fn met(&self, doing: &str, fault: &Fault, until: Instant) {
        self.throttle.refused();
        let what = format!("{doing} {}", self.table);
        self.hitches.met(&what, &fault.brief(), until);
    }
}

/// Writes the rows of one part of a table.
pub struct Writer<'a> {
    insert: Option<PreparedStatement>,
    update: Option<PreparedStatement>,
    /// Reads the unrepeatable cells.
    pub(super) look: Option<Look>,
    /// Which they are.
    pub(super) unrepeatable: Vec<usize>,
    counts: bool,
    /// What is left of the claim on the file.
    hold: Option<Hold>,
    pub(super) around: Surroundings<'a>,
}

impl<'a> Writer<'a> {
    /// Prepares the statements of a table's part.
    ///
    /// # Errors
    /// The server knows another table than this, or the role may not write to it.
    pub async fn prepare(
        columns: &Columns<'_>,
        texts: &Texts,
        consistency: Consistency,
        around: Surroundings<'a>,
    ) -> Result<Self, Fault> {
        let prepare = async |text: &Text| {
            let mut patience = Patience::new();
            let mut prepared = loop {
                let fault = match around.sender.session.prepare(text.text.as_str()).await {
                    Ok(prepared) => break prepared,
                    Err(error) => Fault::from(error),
                };
                let over = patience.is_over() || around.stop.check().is_err();
                if fault.kind == Kind::Refused || over {
                    return Err(fault);
                }
                around.met("preparing to write to", &fault, patience.until());
                patience.pause().await;
            };
            prepared.set_consistency(consistency);
            // Nothing is repeated behind kmig's back.
            prepared.set_is_idempotent(false);
            Ok::<_, Fault>(prepared)
        };
        let mut writer = Writer {
            insert: None,
            update: None,
            look: None,
            unrepeatable: texts.unrepeatable.clone(),
            counts: texts.counts,
            hold: None,
            around: around.clone(),
        };
        if let Some(text) = &texts.insert {
            writer.insert = Some(prepare(text).await?);
        }
        if let Some(text) = &texts.update {
            writer.update = Some(prepare(text).await?);
        }
        if !writer.unrepeatable.is_empty() {
            let look = prepare(&columns.look(&writer.unrepeatable)).await?;
            writer.look = Some(Look::new(look, &writer.unrepeatable, texts.update.as_ref()));
        }
        Ok(writer)
    }

    /// Sends only while so much is left of a claim that the answer comes before anybody can take over.
    pub fn under(self, hold: Option<Hold>) -> Self {
        Writer { hold, ..self }
    }

    /// Writes rows of one partition. `before` says whether some of them may be there.
    ///
    /// # Errors
    /// The cluster did not take it for as long as kmig is patient, or a signal wants the run to end. Rows that it refuses
    /// for what they are come back instead.
    pub async fn write(
        &self,
        rows: &[Sent],
        clock: Clock,
        before: Before,
    ) -> Result<Vec<Refusal>, Unwritten> {
        let mut work = Work {
            rows,
            parts: HashMap::new(),
            refused: Vec::new(),
        };
        let mut wanted: Vec<usize> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            match before != Before::Absent && row.unrepeatable() {
                true => wanted.extend(work.left(at, self.rest(row, before).await?)),
                false => wanted.push(at),
            }
        }
        self.settle(&mut work, wanted, clock).await?;
        Ok(work.refused)
    }

    /// Sends rows until each is written or refused.
    async fn settle(
        &self,
        work: &mut Work<'_>,
        wanted: Vec<usize>,
        clock: Clock,
    ) -> Result<(), Unwritten> {
        let mut groups = vec![wanted];
        let mut patience = Patience::new();
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let doubtful = group.iter().any(|at| work.row(*at).unrepeatable());
            let went = doubtful.then(|| Arc::new(Went::default()));
            let sent = Instant::now();
            let fault = match self.send(work, &group, clock, went.clone()).await {
                Ok(()) => continue,
                Err(fault) => fault,
            };
            if fault.kind == Kind::Refused && !fault.is(INVALID) {
                // What no row is at fault for.
                return Err(fault.into());
            }
            if fault.kind == Kind::Refused {
                match group.as_slice() {
                    [only] => work.refused.push(Refusal {
                        row: *only,
                        reason: fault.message,
                    }),
                    // One of them is at fault.
                    many => {
                        let (one, other) = many.split_at(many.len() / 2);
                        groups.extend([one.to_vec(), other.to_vec()]);
                    }
                }
                continue;
            }
            if patience.is_over() || self.around.stop.check().is_err() {
                return Err(fault.into());
            }
            self.around.met("writing to", &fault, patience.until());
            patience.pause().await;
            let node = went.and_then(|went| went.node());
            let Some(node) = node.filter(|_| fault.in_doubt()) else {
                groups.push(group);
                continue;
            };
            // This wait is no trouble of the cluster's.
            patience.extend(self.quiet(&fault, node, sent, patience.until()).await?);
            let mut again = Vec::new();
            for at in group {
                match work.row(at).unrepeatable() {
                    true => {
                        let rest = self.rest(&work.rows[at], Before::InDoubt).await?;
                        again.extend(work.left(at, rest));
                    }
                    false => again.push(at),
                }
            }
            groups.push(again);
        }
        Ok(())
    }

    /// Sends the statements of some rows in one request; `went` hears to which node.
    async fn send(
        &self,
        work: &Work<'_>,
        wanted: &[usize],
        clock: Clock,
        went: Option<Arc<Went>>,
    ) -> Result<(), Fault> {
        if let Some(hold) = &self.hold {
            hold.check()?;
        }
        let now = clock.now();
        let bounds = wanted.iter().flat_map(|at| &work.row(*at).statements);
        // What has expired meanwhile is gone on both sides, and a time to live of 0 would keep it for ever.
        let values: Vec<Values<'_>> = bounds
            .filter(|bound| bound.expiry.is_none_or(|expiry| expiry > now))
            .map(|bound| Values { bound, now })
            .collect();
        let session = &self.around.sender.session;
        match values.as_slice() {
            [] => Ok(()),
            [only] => {
                let statement = self.statement(only.bound.verb)?;
                let sent = match went {
                    None => session.execute_unpaged(statement, only).await,
                    Some(went) => {
                        let mut statement = statement.clone();
                        statement.set_history_listener(went);
                        session.execute_unpaged(&statement, only).await
                    }
                };
                sent.map(|_: QueryResult| ()).map_err(Fault::from)
            }
            many => {
                // One partition: an unlogged batch is one mutation.
                let kind = match self.counts {
                    true => BatchType::Counter,
                    false => BatchType::Unlogged,
                };
                let mut consistency = None;
                let mut statements = Vec::with_capacity(many.len());
                for values in many {
                    let statement = self.statement(values.bound.verb)?;
                    consistency = statement.get_consistency();
                    statements.push(BatchStatement::from(statement.clone()));
                }
                let mut batch = Batch::new_with_statements(kind, statements);
                if let Some(consistency) = consistency {
                    batch.set_consistency(consistency);
                }
                if let Some(went) = went {
                    batch.set_history_listener(went);
                }
                let sent = session.batch(&batch, many).await;
                sent.map(|_: QueryResult| ()).map_err(Fault::from)
            }
        }
    }

    fn statement(&self, verb: Verb) -> Result<&PreparedStatement, Fault> {
        let statement = match verb {
            Verb::Insert => self.insert.as_ref(),
            Verb::Update => self.update.as_ref(),
        };
        statement.ok_or_else(|| Fault {
            kind: Kind::Unreachable,
            code: None,
            message: "a row has a statement that its table has not".to_string(),
            position: None,
            lost: false,
        })
    }
}

/// Rows on their way.
struct Work<'a> {
    rows: &'a [Sent],
    /// What is left of those of which something is there.
    parts: HashMap<usize, Sent>,
    refused: Vec<Refusal>,
}

impl Work<'_> {
    /// What is to be sent of a row.
    fn row(&self, at: usize) -> &Sent {
        // Nearly always there is none.
        self.parts.get(&at).unwrap_or(&self.rows[at])
    }

    /// Takes in what is left of a row; the row where that is to be sent.
    fn left(&mut self, at: usize, rest: Rest) -> Option<usize> {
        match rest {
            Rest::All => {
                self.parts.remove(&at);
            }
            Rest::Part(part) => {
                self.parts.insert(at, part);
            }
            Rest::Different => {
                self.refused.push(different(at));
                return None;
            }
        }
        Some(at)
    }
}

fn different(row: usize) -> Refusal {
    Refusal {
        row,
        reason: "it is there, and its lists or counters hold something else".to_string(),
    }
}
