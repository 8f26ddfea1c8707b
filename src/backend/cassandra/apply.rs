//! Runs units: an intent before each statement or run of statements, proof of the effect of each after it, their record with
//! the next intent.

use super::Cassandra;
use super::ddl::{Failure, without_effect};
use super::dml::Answer;
use super::intent::Intent;
use super::journal::{self, Line};
use super::pending::Pending;
use super::share::{cut, group, repeatable, schema_changes, until, writes};
use crate::backend::{Event, Halt};
use crate::cql::Statement;
use crate::error::{Error, Result};
use crate::gate::Demand;
use crate::plan::schedule::Unit;
use crate::source::{Part, PartKind};
use serde_json::json;

impl Cassandra {
    /// Runs all units in order; see [`crate::backend::Backend::apply`].
    pub(super) async fn apply_units(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt> {
        let mut pending = Pending::default();
        let mut done = 0;
        (self.next, self.sighted) = (Vec::new(), None);
        let ran = self
            .all(units, (batch, gate), (&mut pending, &mut done), tell)
            .await;
        let flushed = match &ran {
            // Nothing can be recorded any more; what has taken effect is recognised at the next run.
            Err(error) if error.lost => Ok(0),
            _ => self.flush(&mut pending, tell).await,
        };
        let result = match (ran, flushed) {
            (ran, Ok(more)) => {
                done += more;
                ran
            }
            (Err(error), Err(_)) => Err(error),
            (Ok(()), Err(error)) => Err(error),
        };
        // Whoever comes next finds a lease that was given back, and waits for nothing.
        let result = match result {
            Ok(()) if self.late => self.until_quiet(tell).await,
            result => result,
        };
        result.map_err(|error| Halt {
            done,
            error: Box::new(error),
        })
    }

    async fn all<'a>(
        &mut self,
        units: &[Unit<'a>],
        (batch, gate): (i64, Option<&Demand>),
        (pending, done): (&mut Pending<'a>, &mut usize),
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let mut at = 0;
        while let Some(first) = units.get(at) {
            self.options.stop.check()?;
            let id = &first.migration.id;
            let statement = first
                .part
                .filter(|_| !first.range.is_empty())
                .and_then(|part| Some((part, part.cql.get(first.range.start)?)));
            let Some((part, statement)) = statement else {
                if pending.has(id) {
                    *done += self.flush(pending, tell).await?;
                }
                self.did(pending, first, 1, batch)?;
                at += 1;
                continue;
            };
            // What an earlier run was sending is settled as it was sent.
            let open = self.left_open(first)?;
            let together = match &open {
                Some(open) => until(&units[at..], open.to),
                None => group(&units[at..], &self.recorder.names.keyspace),
            };
            let last = &units[at + together - 1];
            let mut unit = Unit {
                range: first.range.start..last.range.end,
                then: last.then,
                ..first.clone()
            };
            at += together;
            let destructive = matches!(unit.kind, PartKind::Finish | PartKind::Undo);
            if let Some(demand) = gate.filter(|_| destructive) {
                self.last_look(demand).await?;
            }
            if unit.lenient && self.passes_over(statement, tell).await? {
                if pending.has(id) {
                    *done += self.flush(pending, tell).await?;
                }
            } else {
                self.next = schema_changes(&units[at..], &self.recorder.names.keyspace);
                unit = self
                    .unit(unit, (part, open), batch, (pending, done), tell)
                    .await?;
            }
            self.did(pending, &unit, unit.range.len(), batch)?;
            if writes(&statement.act) {
                // kmig's own requests move counters too: they are held against the next look.
                self.looked = None;
            }
            // What a repeat would do once more is not left to the next intent.
            if writes(&statement.act) && !repeatable(statement) {
                *done += self.flush(pending, tell).await?;
            }
        }
        Ok(())
    }

    /// Runs one unit: a statement, or several that share an intent. What of it is to be recorded is returned: not what an
    /// earlier run had done already.
    async fn unit<'a>(
        &mut self,
        mut unit: Unit<'a>,
        (part, open): (&'a Part, Option<Intent>),
        batch: i64,
        (pending, done): (&mut Pending<'a>, &mut usize),
        tell: &mut dyn FnMut(Event),
    ) -> Result<Unit<'a>> {
        let run = self.options.run.to_string();
        let mut intent = Intent::new(unit.kind, part, unit.range.clone(), &run);
        let resumed = open.is_some();
        if let Some(open) = open {
            self.sighted = None;
            // What was recorded before comes first: what is settled now is its follower.
            *done += self.flush(pending, tell).await?;
            let there = self.settled(&unit, part, &open, tell).await?;
            if there == unit.range.len() {
                return Ok(unit);
            }
            if there > 0 {
                let (before, rest) = cut(&unit, unit.range.start + there);
                self.did(pending, &before, there, batch)?;
                intent = Intent::new(unit.kind, part, rest.range.clone(), &run);
                unit = rest;
            }
            intent.take_over(&open, part);
        }
        let statements = part.cql.get(unit.range.clone()).unwrap_or_default();
        let Some(statement) = statements.first() else {
            return Ok(unit);
        };
        let sent = if writes(&statement.act) {
            if intent.write_time.is_none() {
                intent.write_time = Some(self.next_write_time().await?);
            }
            let last = intent.last_write_time();
            self.last_write = self.last_write.max(last.unwrap_or_default());
            let (recorded, lines) = self.intend(&unit, &intent, batch, pending, tell).await?;
            *done += recorded;
            self.journal(&lines).await?;
            self.write_rows(&unit, part, &intent, tell).await
        } else {
            self.picture(part, &mut intent).await?;
            let (recorded, lines) = self.intend(&unit, &intent, batch, pending, tell).await?;
            *done += recorded;
            // The intent in the state is what a resume goes by: the journal's line need not be there first.
            let (sender, recorder) = (self.sender.clone(), self.recorder.clone());
            let (noted, sent) = tokio::join!(
                journal::write(&sender, &recorder, &run, &lines),
                self.change_each(part, &intent, resumed, tell)
            );
            match noted {
                Err(error) if sent.is_ok() => Err(error.into()),
                _ => sent,
            }
        };
        match sent {
            Ok(()) => {
                self.confirmed(&unit, part, statement, intent).await?;
                Ok(unit)
            }
            Err(failure) => {
                let error = self
                    .gave_up(
                        &unit,
                        (part, &intent),
                        batch,
                        failure,
                        (pending, done),
                        tell,
                    )
                    .await;
                Err(error)
            }
        }
    }

    /// Sends statements that change the schema, each once the one before it was taken and all members agree.
    async fn change_each(
        &mut self,
        part: &Part,
        intent: &Intent,
        resumed: bool,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        for at in intent.from..intent.to {
            let sent = self.change_schema(part, at, intent, resumed, tell).await;
            let Err(failure) = sent else {
                tell(Event::Statement);
                continue;
            };
            if failure.at.is_some() || failure.error.lost || at == intent.from {
                return Err(failure);
            }
            // Where those before it are not all there, that is what is wrong.
            return Err(match self.proved_before(part, intent, at).await {
                None => Failure {
                    certain: false,
                    ..failure
                },
                Some(there) if intent.from + there == at => Failure {
                    at: Some(at),
                    ..failure
                },
                Some(there) => Failure {
                    error: without_effect(part, intent.from + there),
                    certain: false,
                    at: Some(intent.from + there),
                },
            });
        }
        Ok(())
    }

    /// Asks the `done-when` of a statement that was taken.
    async fn confirmed(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        statement: &Statement,
        mut intent: Intent,
    ) -> Result<()> {
        // Whether a condition held is the file's affair: a backfill is there to find some that do not.
        if statement.act.conditional()
            || self.done_when(statement, Answer::Taken).await? != Some(false)
        {
            return Ok(());
        }
        // It is not sent once more by the next run, which would count once more: that one only asks.
        intent.answered = true;
        let applied = self.row(&unit.migration.id)?;
        let row = self
            .recorder
            .answered(&unit.migration.id, &applied, &intent.json());
        self.write_with(&[row], &[]).await?;
        Err(unconfirmed(part, intent.from))
    }

    /// Records that statements are about to be sent, together with what is done before them. The journal's lines on it are
    /// left to the caller.
    async fn intend<'a>(
        &mut self,
        unit: &Unit<'a>,
        intent: &Intent,
        batch: i64,
        pending: &mut Pending<'a>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(usize, Vec<Line<'a>>)> {
        let id = &unit.migration.id;
        let applied = self.row(id)?;
        let begun = Unit {
            range: intent.from..intent.to,
            ..unit.clone()
        };
        let json = intent.json();
        let written = intent.last_write_time();
        self.recorder
            .intend(pending.change(id), &begun, &applied, &json, written);
        let mut line = Line::of("intent", &begun, batch);
        line.detail = Some(json);
        pending.line(line);
        let recorded = self.record(pending, tell).await?;
        if let Some(row) = self.rows.get_mut(id) {
            if unit.kind == crate::source::PartKind::Finish {
                row.progress = crate::plan::history::Progress::Contracting(intent.from);
            }
            row.checksums = super::record::sealed(&begun, intent.from, &applied);
            row.started.get_or_insert(time::OffsetDateTime::UNIX_EPOCH);
        }
        self.open.insert(id.clone(), intent.json());
        Ok(recorded)
    }

    /// A statement failed, and why is returned. Those before it that share its intent are done; where nobody is in doubt
    /// about it, its intent is closed, so that its file may be mended.
    async fn gave_up<'a>(
        &mut self,
        unit: &Unit<'a>,
        (part, intent): (&'a Part, &Intent),
        batch: i64,
        failure: Failure,
        (pending, done): (&mut Pending<'a>, &mut usize),
        tell: &mut dyn FnMut(Event),
    ) -> Error {
        let Failure { error, certain, at } = failure;
        let writes_rows = intent.write_time.is_some();
        // Rows in doubt are written again together: they have their times from the intent.
        if error.lost || !certain && writes_rows {
            return error;
        }
        let mut failed = unit.clone();
        if let Some(at) = at.filter(|at| *at > unit.range.start) {
            let (before, rest) = cut(unit, at);
            if let Err(error) = self.did(pending, &before, before.range.len(), batch) {
                return error;
            }
            failed = rest;
        }
        // The first error is what the user needs; an intent that stays open is settled at the next run. Where what was
        // recorded is another executor's, it is looked again.
        let told = |later: Error| if later.lost { later } else { error.clone() };
        if !certain {
            if failed.range.start > unit.range.start {
                let mut left = Intent::new(unit.kind, part, failed.range.clone(), &intent.run);
                left.take_over(intent, part);
                match self.intend(&failed, &left, batch, pending, tell).await {
                    Ok((more, lines)) => {
                        *done += more;
                        if let Err(later) = self.journal(&lines).await {
                            return told(later);
                        }
                    }
                    Err(later) => return told(later),
                }
            }
            return error;
        }
        match self.flush(pending, tell).await {
            Ok(more) => *done += more,
            Err(later) => return told(later),
        }
        let id = &unit.migration.id;
        let applied = match self.row(id) {
            Ok(applied) => applied,
            Err(later) => return later,
        };
        let mut line = Line::of("failed", &failed, batch);
        line.detail = Some(json!({ "message": error.message }).to_string());
        let closed = self.recorder.failed(id, &applied);
        match self.write_with(&[closed], &[line]).await {
            Ok(()) => {
                self.open.remove(id);
            }
            Err(later) => return told(later),
        }
        error
    }

    /// The intent that an earlier run left open for the statement that a unit begins with.
    fn left_open(&self, unit: &Unit<'_>) -> Result<Option<Intent>> {
        let Some(text) = self.open.get(&unit.migration.id) else {
            return Ok(None);
        };
        let intent = Intent::read(text).ok_or_else(|| {
            Error::failed(format!(
                "the open intent of {} in schema_meta cannot be read",
                unit.migration.label()
            ))
            .now("nothing more was run")
            .next("compare schema_meta with its journal; kmig alone writes these tables")
        })?;
        Ok(intent.is_of(unit).then_some(intent))
    }

    /// The time of the next write: the coordinator's clock, and later than every write of this keyspace's migrations
    /// before, also where the clock of another coordinator was ahead (traps C9).
    async fn next_write_time(&self) -> Result<i64> {
        let now = super::clocks::clock(&self.sender).await?;
        Ok(now.max(self.last_write + 1))
    }
}

/// The error of a statement that was taken, though it does not do what its file says.
pub(super) fn unconfirmed(part: &Part, at: usize) -> Error {
    Error::failed(
        "the server took the statement, and its kmig:done-when says that it has not taken effect",
    )
    .at(part.place(at))
    .now("it is journaled as sent, and is not sent again")
    .next("mend its kmig:done-when, or the rows that it asks for, then the same command, which asks it again")
}
