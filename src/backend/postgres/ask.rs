//! Check and ready parts, which only ask, and the sweep of backfill parts before the first destructive step.

use super::explain::absent;
use super::fault::Fault;
use super::query::rows;
use super::script::{Failure, Role, Script};
use super::{Postgres, lock};
use crate::backend::point::pointed;
use crate::backend::{Asked, Event, Violation};
use crate::error::{Error, Result};
use crate::plan::schedule::Unit;
use crate::source::{Migration, Part, PartKind};
use crate::sql::{Class, Verb};
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

/// Names and values of a row's columns.
type Row = Vec<(String, Option<String>)>;

impl Postgres {
    /// Asks each query of a part in a transaction that cannot write.
    pub(super) async fn ask_part(&mut self, part: &Part) -> Result<Asked> {
        let until = Instant::now() + self.options.ddl_deadline;
        let mut index = 0;
        while let Some(statement) = part.statements.get(index) {
            let text = statement.span.of(&part.file.text);
            match self.question(text).await {
                Ok(None) => index += 1,
                Ok(Some(row)) => {
                    return Ok(Asked::Violation(Violation {
                        statement: index,
                        row,
                    }));
                }
                Err(fault) if fault.lock_not_granted() && Instant::now() < until => {
                    self.options.stop.pause(self.session.lock_timeout).await?;
                }
                Err(fault) => {
                    let early = absent(&fault);
                    // The server's position, by the same reckoning as in every other part.
                    let mut sent = Script::default();
                    sent.push(0, Role::User(index), text);
                    let stopped = sent.stopped_at(0, fault);
                    let place = pointed(part, index, stopped.offset);
                    let error = stopped.fault.error().at(place);
                    return if early {
                        Ok(Asked::TooEarly(error))
                    } else {
                        Err(error)
                    };
                }
            }
        }
        Ok(Asked::Clear)
    }

    /// The first row of a query, column by column.
    async fn question(&self, text: &str) -> Result<Option<Row>, Fault> {
        let client = &self.connection.client;
        client.batch_execute("BEGIN READ ONLY").await?;
        let answer = client.simple_query(text).await.map_err(Fault::from);
        if answer.as_ref().is_err_and(Fault::session_gone) {
            return answer.map(|_| None);
        }
        client.batch_execute("ROLLBACK").await?;
        let messages = answer?;
        Ok(rows(&messages).first().map(|row| {
            let columns = row.columns().iter().enumerate();
            columns
                .map(|(at, column)| (column.name().to_string(), row.get(at).map(str::to_string)))
                .collect()
        }))
    }

    /// Runs each statement of a backfill part once more; COPY and ANALYZE are left out, since the first would repeat
    /// its constant rows and the second changes no row.
    pub(super) async fn sweep_part(
        &mut self,
        migration: &Migration,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        let mut changed = 0;
        for (at, statement) in part.statements.iter().enumerate() {
            if matches!(statement.verb, Verb::Copy | Verb::Analyze | Verb::Setting) {
                continue;
            }
            let unit = Unit {
                migration,
                part: Some(part),
                kind: PartKind::Backfill,
                range: at..at + 1,
                bare: false,
                then: None,
                lenient: false,
            };
            let until = Instant::now() + self.options.ddl_deadline;
            loop {
                self.options.stop.check()?;
                match self.swept(&unit, tell).await {
                    Ok(wrote) => {
                        changed += usize::from(wrote);
                        break;
                    }
                    Err(failure) => {
                        if let Err(error) = self.again(&failure, &unit, until, tell).await {
                            return Err(error.unwrap_or_else(|| self.explain(failure, &unit)));
                        }
                    }
                }
            }
        }
        Ok(changed)
    }

    /// Runs one statement in a transaction of its own and tells whether it changed rows.
    async fn swept(
        &mut self,
        unit: &Unit<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> std::result::Result<bool, Failure> {
        let Some(part) = unit.part else {
            return Ok(false);
        };
        let at = unit.range.start;
        let statement = &part.statements[at];
        let mut script = Script::default();
        script.push(0, Role::Own, "BEGIN");
        script.push(0, Role::Guard, &lock::guard(self.key));
        self.send(&mut script, tell).await?;
        for earlier in part.statements[..at]
            .iter()
            .filter(|s| s.class == Class::Session)
        {
            script.push(0, Role::User(at), earlier.span.of(&part.file.text));
            self.send(&mut script, tell).await?;
        }
        if let Some(timeout) = statement.directives.timeout_ms {
            let set = format!("SET LOCAL statement_timeout TO {timeout}");
            script.push(0, Role::Own, &set);
            self.send(&mut script, tell).await?;
        }
        let text = statement.span.of(&part.file.text);
        let sent = self.connection.client.simple_query(text).await;
        let messages = sent.map_err(|error| {
            script.push(0, Role::User(at), text);
            Failure::Stopped(std::mem::take(&mut script).stopped_at(0, Fault::from(error)))
        })?;
        self.notices(tell);
        let counted = messages.iter().any(
            |message| matches!(message, SimpleQueryMessage::CommandComplete(rows) if *rows > 0),
        );
        let wrote = match statement.verb {
            Verb::Insert | Verb::Update | Verb::Merge { .. } if statement.writes.is_empty() => {
                counted
            }
            // The count of a query is that of its rows. A transaction that changed a row has an id of its own.
            _ => self.has_written().await.map_err(Failure::Refused)?,
        };
        script.push(0, Role::Deferred, "SET CONSTRAINTS ALL IMMEDIATE");
        for line in self.session.reset().iter().chain(&lock::retake(self.key)) {
            script.push(0, Role::Own, line);
        }
        script.push(0, Role::Commit, "COMMIT");
        self.send(&mut script, tell).await?;
        Ok(wrote)
    }

    async fn has_written(&self) -> Result<bool, Error> {
        let sql = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL";
        let client = &self.connection.client;
        let messages = client.simple_query(sql).await.map_err(Fault::from)?;
        Ok(rows(&messages).first().and_then(|row| row.get(0)) == Some("t"))
    }
}
