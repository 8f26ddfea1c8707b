//! Sends statements that write rows, each with its journaled write time, so that a repeat writes the same cells (traps C9).

use super::Cassandra;
use super::ddl::Failure;
use super::fault::{Fault, Kind};
use super::intent::Intent;
use super::query::How;
use crate::backend::Event;
use crate::cql::{Act, Statement};
use crate::error::{Error, Result};
use crate::plan::schedule::Unit;
use crate::source::Part;
use std::ops::Range;
use std::time::Duration;

/// How often a write is sent that nobody knows of whether it took effect.
const TRIES_MAX: usize = 4;

impl Cassandra {
    /// Sends the writes of a range in their order.
    pub(super) async fn write_rows(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        range: Range<usize>,
        intent: &Intent,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        for at in range {
            let Some(statement) = part.cql.get(at) else {
                continue;
            };
            self.options.stop.check()?;
            self.before_destruction(&statement.act, tell).await?;
            let own_time = statement.act.conditional() || statement.act.timed();
            let counts = matches!(statement.act, Act::Truncate { .. }) || counter(&statement.act);
            let time = intent
                .write_time
                .filter(|_| !own_time && !counts)
                .map(|first| first + super::apply::ordinal(at - intent.from));
            self.write_row(unit, part, (at, statement), intent.sent(part, at), time)
                .await?;
            tell(Event::Statement);
        }
        Ok(())
    }

    async fn write_row(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        (at, statement): (usize, &Statement),
        text: String,
        write_time: Option<i64>,
    ) -> Result<(), Failure> {
        let timeout = self.ddl_timeout(statement);
        let mut pause = Duration::from_millis(50);
        for tried in 1.. {
            if let Some(lease) = &self.lease {
                lease.check(timeout.min(self.options.lease / 2)).await?;
            }
            let how = How {
                timeout: Some(timeout),
                write_time,
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
                    error = error.next(self.recorder.names.grant());
                }
                // In an earlier try it may have been taken, and then refused a repeat.
                return Err(Failure {
                    error,
                    certain: tried == 1,
                });
            }
            let sure = match self.done_when(statement).await? {
                Some(true) => return Ok(()),
                // It may still be on its way: what is not repeatable is not sent again in this run.
                Some(false) => false,
                None => {
                    statement
                        .act
                        .writes()
                        .iter()
                        .all(|write| write.unrepeatable.is_empty() && !write.conditional)
                        && !matches!(statement.act, Act::Truncate { .. })
                }
            };
            if !sure || tried >= TRIES_MAX {
                return Err(in_doubt(fault, unit, part, at).into());
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
    pub(super) async fn done_when(&self, statement: &Statement) -> Result<Option<bool>> {
        let Some(query) = &statement.directives.done_when else {
            return Ok(None);
        };
        // A lightweight transaction in doubt is settled by a serial read; the server allows it for one partition only.
        let serial = self.sender.read_serial(query).await;
        let rows = match serial {
            Err(fault) if fault.is(super::fault::INVALID) => self.sender.read(query).await,
            other => other,
        };
        let rows = rows.map_err(|fault| {
            fault
                .error()
                .now("whether the statement has taken effect is not known: its done-when failed")
        })?;
        let value = rows.first().and_then(|row| row.all().next()?.1.cloned());
        Ok(Some(!matches!(
            value,
            None | Some(scylla::value::CqlValue::Boolean(false))
        )))
    }
}

/// Counters take no time from outside.
fn counter(act: &Act) -> bool {
    matches!(act, Act::Batch(batch) if batch.kind == crate::cql::BatchKind::Counter)
        || act
            .writes()
            .iter()
            .any(|write| !write.unrepeatable.is_empty())
}

fn in_doubt(fault: Fault, unit: &Unit<'_>, part: &Part, at: usize) -> Error {
    let mut error = fault.at(part, at);
    error.now = Some(format!(
        "whether this statement of {} took effect is not known; it is journaled, and settled at the next run",
        unit.migration.label()
    ));
    error
}
