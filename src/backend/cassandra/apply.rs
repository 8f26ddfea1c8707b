//! Runs units: an intent before each statement, proof of its effect after it, its record with the next intent.

use super::Cassandra;
use super::ddl::Failure;
use super::intent::Intent;
use super::journal::{self, Line};
use super::pending::Pending;
use crate::backend::{Event, Halt};
use crate::cql::{Act, Statement};
use crate::error::{Error, Result};
use crate::gate::Demand;
use crate::plan::history::Progress;
use crate::plan::schedule::Unit;
use crate::source::{Part, PartKind};
use serde_json::json;

/// So many writes share an intent at most: they are repeated together after a crash.
const WRITES_MAX: usize = 64;

/// So many bytes of them do.
const BYTES_MAX: usize = 64 * 1024;

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
        (self.next, self.sighted) = (None, None);
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
            let together = group(&units[at..]);
            let last = &units[at + together - 1];
            let unit = Unit {
                range: first.range.start..last.range.end,
                then: last.then,
                ..first.clone()
            };
            let destructive = matches!(unit.kind, PartKind::Finish | PartKind::Undo);
            if let Some(demand) = gate.filter(|_| destructive) {
                self.last_look(demand).await?;
            }
            if unit.lenient && self.passes_over(statement, tell).await? {
                if pending.has(id) {
                    *done += self.flush(pending, tell).await?;
                }
            } else {
                self.next = units.get(at + together).and_then(schema_change).cloned();
                self.unit(&unit, (part, statement), batch, (pending, done), tell)
                    .await?;
            }
            self.did(pending, &unit, together, batch)?;
            at += together;
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

    /// Runs one unit of statements: one, or several writes.
    async fn unit<'a>(
        &mut self,
        unit: &Unit<'a>,
        (part, statement): (&'a Part, &Statement),
        batch: i64,
        (pending, done): (&mut Pending<'a>, &mut usize),
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let run = self.options.run.to_string();
        let mut intent = Intent::new(unit.kind, part, unit.range.clone(), &run);
        let left = self.left_open(unit)?;
        let resumed = left.is_some();
        if let Some(left) = left {
            self.sighted = None;
            // What was recorded before comes first: what is settled now is its follower.
            *done += self.flush(pending, tell).await?;
            if self.settled(unit, part, statement, &left, tell).await? {
                return Ok(());
            }
            intent.take_over(&left, part);
        }
        let sent = if writes(&statement.act) {
            if intent.write_time.is_none() {
                intent.write_time = Some(self.next_write_time().await?);
            }
            let last = intent.last_write_time();
            self.last_write = self.last_write.max(last.unwrap_or_default());
            let (recorded, lines) = self.intend(unit, &intent, batch, pending, tell).await?;
            *done += recorded;
            self.journal(&lines).await?;
            self.write_rows(unit, part, &intent, tell).await
        } else {
            self.picture(part, statement, &mut intent).await?;
            let (recorded, lines) = self.intend(unit, &intent, batch, pending, tell).await?;
            *done += recorded;
            // The intent in the state is what a resume goes by: the journal's line need not be there first.
            let (sender, recorder) = (self.sender.clone(), self.recorder.clone());
            let (noted, sent) = tokio::join!(
                journal::write(&sender, &recorder, &run, &lines),
                self.change_schema(part, statement, &intent, resumed, tell)
            );
            tell(Event::Statement);
            match noted {
                Err(error) if sent.is_ok() => Err(error.into()),
                _ => sent,
            }
        };
        match sent {
            Ok(()) => self.confirmed(unit, part, statement, intent).await,
            Err(failure) => {
                self.gave_up(unit, batch, failure, pending, done, tell)
                    .await
            }
        }
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
        if statement.act.conditional() || self.done_when(statement).await? != Some(false) {
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

    /// A statement failed. The writes before it that share its intent are done; where nobody is in doubt about it, its
    /// intent is closed, so that its file may be mended.
    async fn gave_up<'a>(
        &mut self,
        unit: &Unit<'a>,
        batch: i64,
        failure: Failure,
        pending: &mut Pending<'a>,
        done: &mut usize,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let Failure { error, certain, at } = failure;
        if !certain || error.lost {
            return Err(error);
        }
        let mut failed = unit.clone();
        if let Some(at) = at.filter(|at| *at > unit.range.start) {
            let prefix = Unit {
                range: unit.range.start..at,
                then: Progress::after(unit.migration, unit.kind, at),
                ..unit.clone()
            };
            self.did(pending, &prefix, prefix.range.len(), batch)?;
            failed.range.start = at;
        }
        // The first error is what the user needs; an intent that stays open is settled at the next run.
        match self.flush(pending, tell).await {
            Ok(more) => *done += more,
            Err(lost) if lost.lost => return Err(lost),
            Err(_) => return Err(error),
        }
        let id = &unit.migration.id;
        let applied = self.row(id)?;
        let mut line = Line::of("failed", &failed, batch);
        line.detail = Some(json!({ "message": error.message }).to_string());
        let closed = self.recorder.failed(id, &applied);
        match self.write_with(&[closed], &[line]).await {
            Ok(()) => {
                self.open.remove(id);
            }
            // What was refused may be what another executor has done since: it is looked again.
            Err(lost) if lost.lost => return Err(lost),
            // The first error is what the user needs; an intent that stays open is settled at the next run.
            Err(_) => {}
        }
        Err(error)
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

/// Whether a statement writes rows.
pub(super) fn writes(act: &Act) -> bool {
    matches!(act, Act::Write(_) | Act::Batch(_) | Act::Truncate { .. })
}

/// The change of the schema that a unit begins with, where nothing is asked before it whether it is to be passed over.
fn schema_change<'a>(unit: &Unit<'a>) -> Option<&'a Act> {
    let part = unit.part.filter(|_| !unit.lenient)?;
    let statement = part.cql.get(unit.range.clone())?.first()?;
    Some(&statement.act).filter(|act| !writes(act))
}

/// Whether a repeat of a statement writes the same cells again, and nothing else.
pub(super) fn repeatable(statement: &Statement) -> bool {
    let act = &statement.act;
    matches!(act, Act::Write(_) | Act::Batch(_))
        && statement.directives.done_when.is_none()
        && !act.conditional()
        && !act.timed()
        && act
            .writes()
            .iter()
            .all(|write| write.unrepeatable.is_empty())
}

/// How many of the next units are writes of one part that may share an intent.
fn group(units: &[Unit<'_>]) -> usize {
    let Some(first) = units.first() else {
        return 0;
    };
    let mut bytes = 0;
    let mut together = 0;
    for unit in units.iter().take(WRITES_MAX) {
        let same =
            unit.kind == first.kind && unit.migration.id == first.migration.id && !unit.lenient;
        let found = unit.part.and_then(|part| part.cql.get(unit.range.clone()));
        let found = found.unwrap_or_default();
        bytes += found
            .iter()
            .map(|statement| statement.span.end - statement.span.start)
            .sum::<usize>();
        if !same || found.is_empty() || bytes > BYTES_MAX || !found.iter().all(repeatable) {
            break;
        }
        together += 1;
    }
    // What cannot be shared has an intent of its own.
    together.max(1)
}
