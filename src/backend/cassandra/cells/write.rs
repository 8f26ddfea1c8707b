//! Writes rows: many requests in flight, each for one partition, each cell with its own write time and expiry.
//!
//! What may be sent again without harm is sent again until the cluster takes it. List elements and counters are not: what
//! became of such a row is looked up before it is sent once more (traps C11): absent → written, equal → done, different →
//! rejected.

use super::hitches::Hitches;
use super::raw::Key;
use super::sent::{Clock, Expected, Sent, Texts, Values};
use super::statements::{Bound, Columns, Text};
use super::throttle::Throttle;
use crate::backend::Stop;
use crate::backend::cassandra::claim::Hold;
use crate::backend::cassandra::fault::{Fault, INVALID, Kind};
use crate::backup::group::Verb;
use scylla::client::session::Session;
use scylla::response::query_result::QueryResult;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a write is repeated that the cluster does not take, before the import stops and can be resumed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A row that the server would not take, or that holds something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the rows.
    pub row: usize,
    /// Why.
    pub reason: String,
}

/// What became of the lists and counters of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Absent,
    Equal,
    /// Its lists begin as they are to be; of each cell so many elements are there.
    Begun(Vec<(usize, usize)>),
    Different,
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
}

impl Surroundings<'_> {
    /// A request failed, and is sent again.
    fn met(&self, doing: &str, fault: &Fault, until: Instant) {
        self.throttle.refused();
        let what = format!("{doing} {}", self.table);
        self.hitches.met(&what, &fault.brief(), until);
    }
}

/// Writes the rows of one part of a table.
pub struct Writer<'a> {
    session: Arc<Session>,
    insert: Option<PreparedStatement>,
    update: Option<PreparedStatement>,
    /// Reads the unrepeatable cells.
    look: Option<PreparedStatement>,
    /// Which they are.
    unrepeatable: Vec<usize>,
    counts: bool,
    /// What is left of the claim on the file.
    hold: Option<Hold>,
    around: Surroundings<'a>,
}

impl<'a> Writer<'a> {
    /// Prepares the statements of a table's part.
    ///
    /// # Errors
    /// The server knows another table than this, or the role may not write to it.
    pub async fn prepare(
        session: Arc<Session>,
        columns: &Columns<'_>,
        texts: &Texts,
        consistency: Consistency,
        around: Surroundings<'a>,
    ) -> Result<Self, Fault> {
        let prepare = async |text: &Text| {
            let deadline = Instant::now() + PATIENCE;
            let mut prepared = loop {
                let fault = match session.prepare(text.text.as_str()).await {
                    Ok(prepared) => break prepared,
                    Err(error) => Fault::from(error),
                };
                let over = Instant::now() >= deadline || around.stop.check().is_err();
                if fault.kind == Kind::Refused || over {
                    return Err(fault);
                }
                around.met("preparing to write to", &fault, deadline);
                tokio::time::sleep(Duration::from_millis(200)).await;
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
            session: session.clone(),
            around: around.clone(),
        };
        if let Some(text) = &texts.insert {
            writer.insert = Some(prepare(text).await?);
        }
        if let Some(text) = &texts.update {
            writer.update = Some(prepare(text).await?);
        }
        if !writer.unrepeatable.is_empty() {
            writer.look = Some(prepare(&columns.look(&writer.unrepeatable)).await?);
        }
        Ok(writer)
    }

    /// Sends only while so much is left of a claim that the answer comes before anybody can take over.
    pub fn under(self, hold: Option<Hold>) -> Self {
        Writer { hold, ..self }
    }

    /// Writes rows of one partition. `careful` says that an earlier run may have written some of them.
    ///
    /// # Errors
    /// The cluster did not take it for as long as kmig is patient, or a signal wants the run to end. Rows that it refuses
    /// for what they are come back instead.
    pub async fn write(
        &self,
        rows: &[Sent],
        clock: Clock,
        careful: bool,
    ) -> Result<Vec<Refusal>, Fault> {
        let mut refused = Vec::new();
        let mut wanted: Vec<usize> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            match careful && row.unrepeatable() {
                true => match self.look_up(row).await? {
                    Found::Absent => wanted.push(at),
                    Found::Equal if !row.grows() => {}
                    Found::Equal => {
                        let there = row.all_there();
                        self.rest(row, at, &there, clock, &mut refused).await?;
                    }
                    Found::Begun(there) if row.grows() => {
                        self.rest(row, at, &there, clock, &mut refused).await?;
                    }
                    Found::Begun(_) | Found::Different => refused.push(different(at)),
                },
                false => wanted.push(at),
            }
        }
        self.settle(rows, wanted, clock, &mut refused).await?;
        Ok(refused)
    }

    /// Writes what is not there of a row whose lists have been begun.
    async fn rest(
        &self,
        row: &Sent,
        at: usize,
        there: &[(usize, usize)],
        clock: Clock,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), Fault> {
        let lacks = |bound: &&Bound| {
            let element = bound.element;
            element.is_none_or(|(cell, place)| {
                let of_cell = there.iter().find(|(other, _)| *other == cell);
                of_cell.is_none_or(|(_, count)| place >= *count)
            })
        };
        let rest = Sent {
            statements: row.statements.iter().filter(lacks).cloned().collect(),
            ..row.clone()
        };
        let mut of_rest = Vec::new();
        self.settle(&[rest], vec![0], clock, &mut of_rest).await?;
        refused.extend(
            of_rest
                .into_iter()
                .map(|refusal| Refusal { row: at, ..refusal }),
        );
        Ok(())
    }

    /// Sends rows until each is written or refused.
    async fn settle(
        &self,
        rows: &[Sent],
        wanted: Vec<usize>,
        clock: Clock,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), Fault> {
        let mut groups = vec![wanted];
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(20);
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let fault = match self.send(rows, &group, clock).await {
                Ok(()) => continue,
                Err(fault) => fault,
            };
            if fault.kind == Kind::Refused && !fault.is(INVALID) {
                // What no row is at fault for.
                return Err(fault);
            }
            if fault.kind == Kind::Refused {
                match group.as_slice() {
                    [only] => refused.push(Refusal {
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
            if Instant::now() >= deadline || self.around.stop.check().is_err() {
                return Err(fault);
            }
            self.around.met("writing to", &fault, deadline);
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(Duration::from_secs(2));
            let mut again = Vec::new();
            for at in group {
                let doubtful = fault.in_doubt() && rows[at].unrepeatable();
                match doubtful {
                    true => match self.look_up(&rows[at]).await? {
                        Found::Absent => again.push(at),
                        Found::Equal => {}
                        Found::Begun(_) | Found::Different => refused.push(different(at)),
                    },
                    false => again.push(at),
                }
            }
            groups.push(again);
        }
        Ok(())
    }

    /// Sends the statements of some rows in one request.
    async fn send(&self, rows: &[Sent], wanted: &[usize], clock: Clock) -> Result<(), Fault> {
        if let Some(hold) = &self.hold {
            hold.check()?;
        }
        let now = clock.now();
        let bounds = wanted.iter().flat_map(|at| &rows[*at].statements);
        // What has expired meanwhile is gone on both sides, and a time to live of 0 would keep it for ever.
        let values: Vec<Values<'_>> = bounds
            .filter(|bound| bound.expiry.is_none_or(|expiry| expiry > now))
            .map(|bound| Values { bound, now })
            .collect();
        match values.as_slice() {
            [] => Ok(()),
            [only] => {
                let statement = self.statement(only.bound.verb)?;
                let sent = self.session.execute_unpaged(statement, only).await;
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
                let sent = self.session.batch(&batch, many).await;
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

    /// What the lists and counters of a row hold.
    async fn look_up(&self, row: &Sent) -> Result<Found, Fault> {
        let Some(look) = &self.look else {
            return Ok(Found::Absent);
        };
        let mut pause = Duration::from_millis(20);
        let deadline = Instant::now() + PATIENCE;
        let answer = loop {
            match self.session.execute_unpaged(look, Key(&row.key)).await {
                Ok(answer) => break answer,
                Err(error) => {
                    let fault = Fault::from(error);
                    let over = Instant::now() >= deadline || self.around.stop.check().is_err();
                    if fault.kind == Kind::Refused || over {
                        return Err(fault);
                    }
                    self.around.met("looking up what is in", &fault, deadline);
                }
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        };
        let found = super::raw::first_row(answer)?;
        let cells = found.unwrap_or_else(|| vec![None; self.unrepeatable.len()]);
        let mut there = Vec::new();
        let (mut all, mut any) = (true, false);
        for ((cell, expected), at) in cells.iter().zip(&row.unrepeatable).zip(&self.unrepeatable) {
            if *expected == Expected::Nothing {
                continue;
            }
            let Some(value) = cell.as_deref() else {
                all = false;
                there.push((*at, 0));
                continue;
            };
            any = true;
            match expected.begins(value) {
                None => return Ok(Found::Different),
                Some(count) => {
                    all &= count == expected.count();
                    there.push((*at, count));
                }
            }
        }
        Ok(match (all, any) {
            (true, _) => Found::Equal,
            (false, false) => Found::Absent,
            (false, true) => Found::Begun(there),
        })
    }
}

fn different(row: usize) -> Refusal {
    Refusal {
        row,
        reason: "it is there, and its lists or counters hold something else".to_string(),
    }
}
