//! Asks the queries of check and ready parts, and runs backfills again.

use super::Cassandra;
use super::fault::INVALID;
use super::query::How;
use crate::backend::{Asked, Event, Violation};
use crate::error::Result;
use crate::source::{Migration, Part};
use scylla::value::CqlValue;

impl Cassandra {
    /// Asks each query; the first row of the first that returns one is a violation.
    pub(super) async fn ask_part(&self, part: &Part) -> Result<Asked> {
        for (at, statement) in part.cql.iter().enumerate() {
            let text = statement.span.of(&part.file.text);
            let how = How {
                timeout: Some(self.ddl_timeout(statement)),
                ..How::default()
            };
            let rows = match self.sender.first(text, how).await {
                Ok(rows) => rows,
                // It names a table or column that is not there, which the batch may be about to make.
                Err(fault) if fault.is(INVALID) => {
                    return Ok(Asked::TooEarly(fault.at(part, at)));
                }
                Err(fault) => return Err(fault.at(part, at)),
            };
            if let Some(row) = rows.first() {
                let shown = row
                    .all()
                    .map(|(name, value)| (name.to_string(), value.map(shown)));
                return Ok(Asked::Violation(Violation {
                    statement: at,
                    row: shown.collect(),
                }));
            }
        }
        Ok(Asked::Clear)
    }

    /// Runs a backfill once more and tells how many statements changed something.
    ///
    /// A write without a condition has been written at its journaled time: a repeat at that time changes nothing, and one
    /// at a later time would win against what the application wrote since. So only conditional writes are sent again,
    /// whose `[applied]` tells.
    pub(super) async fn sweep_part(
        &mut self,
        migration: &Migration,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        let mut changed = 0;
        for (at, statement) in part.cql.iter().enumerate() {
            if !statement.act.conditional() {
                continue;
            }
            self.options.stop.check()?;
            if let Some(lease) = &self.lease {
                lease.check(self.sender.timeout).await?;
            }
            let text = statement.span.of(&part.file.text);
            let how = How {
                timeout: Some(self.ddl_timeout(statement)),
                ..How::default()
            };
            let rows = self.sender.send(text, how).await.map_err(|fault| {
                let error = fault.at(part, at);
                error.now(format!(
                    "nothing destructive was run; the backfill of {} is run again by the next kmig finish",
                    migration.label()
                ))
            })?;
            changed += usize::from(rows.applied());
            tell(Event::Statement);
        }
        Ok(changed)
    }
}

/// A value as a person reads it.
fn shown(value: &CqlValue) -> String {
    match value {
        CqlValue::Ascii(text) | CqlValue::Text(text) => text.clone(),
        other => other.to_string(),
    }
}
