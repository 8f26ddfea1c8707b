//! Sends statements that write rows, each with its journaled write time, so that a repeat writes the same cells (traps C9).

use super::Cassandra;
use super::ddl::Failure;
use super::fault::{Fault, Kind};
use super::intent::Intent;
use super::names::identifier;
use super::query::How;
use crate::backend::Event;
use crate::cql::{Act, BatchKind, Statement};
use crate::error::{Error, Result};
use crate::plan::schedule::Unit;
use crate::source::Part;
use scylla::statement::Consistency;
use std::time::Duration;

/// Whether the server has said that it took a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has.
    Taken,
    /// Nobody knows: the answer is lost, or was that some replicas did not write in time.
    Missing,
}

/// How often a write is sent that nobody knows of whether it took effect.
const TRIES_MAX: usize = 4;

impl Cassandra {
    /// Sends the writes of an intent in their order.
    pub(super) async fn write_rows(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        intent: &Intent,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        for at in intent.from..intent.to {
            let Some(statement) = part.cql.get(at) else {
                continue;
            };
            let here = |mut failure: Failure| {
                failure.at = Some(at);
                failure
            };
            self.options
                .stop
                .check()
                .map_err(Failure::from)
                .map_err(here)?;
            self.before_destruction(&statement.act, tell)
                .await
                .map_err(here)?;
            self.write_row(unit, part, (at, statement), intent)
                .await
                .map_err(here)?;
            tell(Event::Statement);
        }
        Ok(())
    }

    async fn write_row(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        (at, statement): (usize, &Statement),
        intent: &Intent,
    ) -> Result<(), Failure> {
        let text = intent.sent(part, at);
        // A conditional write takes its time from Paxos, a counter none at all. One of its own goes before.
        let timeless = statement.act.conditional() || counts(&statement.act);
        let first = intent.write_time.filter(|_| !timeless);
        let first = first.map(|first| first + super::intent::ordinal(at - intent.from));
        let timeout = self.ddl_timeout(statement);
        let mut pause = Duration::from_millis(50);
        for tried in 0..TRIES_MAX {
            if let Some(lease) = &self.lease {
                lease.check(timeout.min(self.options.lease / 2)).await?;
            }
            let later = match crate::cql::holds_list(&part.file.text, statement) {
                true => super::intent::ordinal(tried),
                false => 0,
            };
            let how = How {
                timeout: Some(timeout),
                write_time: first.map(|time| time + later),
                ..How::default()
            };
            let fault = match self.sender.send(&text, how).await {
                Ok(_) => return Ok(()),
                Err(fault) => fault,
            };
            if fault.kind == Kind::Refused {
                let rights = fault.is(super::fault::UNAUTHORIZED);
                let mut error = fault.at(part, at);
                if rights {
                    // Not every table that is written is in kmig's keyspace.
                    let of = statement
                        .act
                        .writes()
                        .iter()
                        .find_map(|write| write.table.keyspace.as_deref());
                    let keyspace = of.unwrap_or(&self.recorder.names.keyspace);
                    error = error.next(format!(
                        "GRANT MODIFY ON KEYSPACE {} TO this role",
                        identifier(keyspace)
                    ));
                }
                // An earlier try may have been taken.
                return Err(Failure {
                    certain: tried == 0,
                    ..Failure::from(error)
                });
            }
            match self.done_when(statement, Answer::Missing).await? {
                Some(true) => return Ok(()),
                // What counts twice is not sent again: it may still be on its way.
                answer if answer.is_some() || !super::share::repeatable(statement) => {
                    return Err(in_doubt(fault, unit, part, at).into());
                }
                _ if tried + 1 == TRIES_MAX => {
                    return Err(in_doubt(fault, unit, part, at).into());
                }
                _ => {}
            }
            self.options.stop.pause(pause).await?;
            pause *= 3;
        }
        Ok(())
    }

    /// What the `done-when` of a statement says: whether it has taken effect. Nothing where it has none.
    ///
    /// # Errors
    /// The query fails.
    pub(super) async fn done_when(
        &self,
        statement: &Statement,
        answer: Answer,
    ) -> Result<Option<bool>> {
        let Some(query) = &statement.directives.done_when else {
            return Ok(None);
        };
        let act = &statement.act;
        let writes = matches!(act, Act::Write(_) | Act::Batch(_)) && !act.conditional();
        let all = writes && answer == Answer::Missing;
        let rows = if all {
            // A write in doubt may stand on one replica alone, which a quorum need not ask: what it says would change, and a
            // counter be counted twice. Whoever asks all of them gives the others what one has.
            let how = How {
                consistency: Some(Consistency::All),
                ..How::default()
            };
            self.sender.settled(query, how).await
        } else {
            // A lightweight transaction in doubt is settled by a serial read; the server allows it for one partition only.
            match self.sender.read_serial(query).await {
                Err(fault) if fault.is(super::fault::INVALID) => self.sender.read(query).await,
                other => other,
            }
        };
        let rows = rows.map_err(|fault| {
            let error = fault
                .error()
                .now("whether the statement has taken effect is not known: its done-when failed");
            match all {
                true => error.next("the same command, once every replica of what it reads answers"),
                false => error,
            }
        })?;
        let value = rows.first().and_then(|row| row.all().next()?.1.cloned());
        Ok(Some(!matches!(
            value,
            None | Some(scylla::value::CqlValue::Boolean(false))
        )))
    }
}

/// Whether a statement counts: those take no time from outside.
fn counts(act: &Act) -> bool {
    let counters = matches!(act, Act::Batch(batch) if batch.kind == BatchKind::Counter);
    let mut writes = act.writes().iter();
    counters
        || matches!(act, Act::Truncate { .. })
        || writes.any(|write| !write.accumulates.is_empty())
}

fn in_doubt(fault: Fault, unit: &Unit<'_>, part: &Part, at: usize) -> Error {
    let mut error = fault.at(part, at);
    error.now = Some(format!(
        "whether this statement of {} took effect is not known; it is journaled, and settled at the next run",
        unit.migration.label()
    ));
    error
}
