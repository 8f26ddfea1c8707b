//! Runs units: an intent before each statement, proof of its effect after it, its record with the next intent.

use super::Cassandra;
use super::intent::Intent;
use super::journal::Line;
use super::pending::Pending;
use crate::backend::{Event, Halt};
use crate::cql::{Act, Statement};
use crate::error::{Error, Result};
use crate::plan::schedule::Unit;
use crate::source::Part;
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
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt> {
        let mut pending = Pending::default();
        let mut done = 0;
        let ran = self.all(units, batch, &mut pending, &mut done, tell).await;
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
        batch: i64,
        pending: &mut Pending<'a>,
        done: &mut usize,
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
            if together == 1 && unit.lenient && self.passes_over(statement).await? {
                if pending.has(id) {
                    *done += self.flush(pending, tell).await?;
                }
            } else {
                self.unit(&unit, (part, statement), batch, (pending, done), tell)
                    .await?;
            }
            self.did(pending, &unit, together, batch)?;
            at += together;
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
        let mut range = unit.range.clone();
        let left = self.left_open(unit)?;
        let mut intent = match left {
            Some(mut intent) => {
                // What was recorded before comes first: what is settled now is its follower.
                *done += self.flush(pending, tell).await?;
                if self.settled(unit, part, statement, &intent, tell).await? {
                    range.start = intent.to.min(range.end);
                    if range.is_empty() {
                        return Ok(());
                    }
                    Intent::new(
                        unit.kind,
                        part,
                        range.clone(),
                        &self.options.run.to_string(),
                    )
                } else {
                    intent.run = self.options.run.to_string();
                    intent
                }
            }
            None => Intent::new(
                unit.kind,
                part,
                range.clone(),
                &self.options.run.to_string(),
            ),
        };
        if writes(&statement.act) {
            if intent.write_time.is_none() {
                let base = self.base(unit).await?;
                intent.write_time = Some(base + ordinal(range.start));
            }
        } else {
            self.picture(part, statement, &mut intent).await?;
        }
        *done += self.intend(unit, &intent, batch, pending, tell).await?;
        let sent = match writes(&statement.act) {
            true => self.write_rows(unit, part, range, &intent, tell).await,
            false => {
                let changed = self
                    .change_schema(unit, part, statement, &intent, tell)
                    .await;
                tell(Event::Statement);
                changed
            }
        };
        match sent {
            Ok(()) => self.confirmed(part, statement, &intent).await,
            Err(error) => self.gave_up(unit, batch, error).await,
        }
    }

    /// Asks the `done-when` of a statement that was taken.
    async fn confirmed(&self, part: &Part, statement: &Statement, intent: &Intent) -> Result<()> {
        match self.done_when(statement).await? {
            None | Some(true) => Ok(()),
            Some(false) => Err(Error::failed(
                "the server took the statement, and its kmig:done-when says that it has not taken effect",
            )
            .at(part.place(intent.from))
            .now("it is journaled, and its done-when is asked again by the next run")),
        }
    }

    /// Journals that statements are about to be sent, together with what is done before them.
    async fn intend<'a>(
        &mut self,
        unit: &Unit<'a>,
        intent: &Intent,
        batch: i64,
        pending: &mut Pending<'a>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        let id = &unit.migration.id;
        let applied = self.row(id)?;
        let begun = Unit {
            range: intent.from..intent.to,
            ..unit.clone()
        };
        let json = intent.json();
        let base = intent.write_time.map(|time| time - ordinal(intent.from));
        self.recorder
            .intend(pending.change(id), &begun, &applied, &json, base);
        let mut line = Line::of("intent", &begun, batch);
        line.detail = Some(json);
        pending.line(line);
        let done = self.flush(pending, tell).await?;
        if let Some(row) = self.rows.get_mut(id) {
            if unit.kind == crate::source::PartKind::Finish {
                row.progress = crate::plan::history::Progress::Contracting(intent.from);
            }
            row.checksums = super::record::sealed(&begun, intent.from, &applied);
            row.started.get_or_insert(time::OffsetDateTime::UNIX_EPOCH);
        }
        let open = self.open.entry(id.clone()).or_default();
        open.intent = Some(intent.json());
        open.base = base.or(open.base);
        Ok(done)
    }

    /// A statement failed. Where nobody is in doubt about it, its intent is closed, so that its file may be mended.
    async fn gave_up(
        &mut self,
        unit: &Unit<'_>,
        batch: i64,
        failure: super::ddl::Failure,
    ) -> Result<()> {
        let super::ddl::Failure { error, certain } = failure;
        if !certain || error.lost {
            return Err(error);
        }
        let id = &unit.migration.id;
        let applied = self.row(id)?;
        let mut line = Line::of("failed", unit, batch);
        line.detail = Some(json!({ "message": error.message }).to_string());
        let closed = self.recorder.failed(id, &applied);
        match self.write_with(&[closed], &[line]).await {
            Ok(()) => {
                if let Some(open) = self.open.get_mut(id) {
                    open.intent = None;
                }
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
        let open = self.open.get(&unit.migration.id);
        let Some(text) = open.and_then(|open| open.intent.as_ref()) else {
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

    /// The base of a part's write times: recorded with its first write, so that a repeat writes the same cells (traps
    /// C9). A part comes after the one before it also where the clock of another coordinator is behind.
    async fn base(&mut self, unit: &Unit<'_>) -> Result<i64> {
        let known = self.open.get(&unit.migration.id).and_then(|open| open.base);
        if let Some(base) = known {
            return Ok(base);
        }
        let now = super::members::clock(&self.sender).await?;
        let base = now.max(self.last_write + 1);
        let length = unit.part.map_or(0, Part::len);
        self.last_write = base + ordinal(length);
        Ok(base)
    }
}

/// A number of statements as microseconds.
pub(super) fn ordinal(statements: usize) -> i64 {
    i64::try_from(statements).unwrap_or(i64::MAX)
}

/// Whether a statement writes rows.
pub(super) fn writes(act: &Act) -> bool {
    matches!(act, Act::Write(_) | Act::Batch(_) | Act::Truncate { .. })
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
        let same = unit.kind == first.kind
            && unit.migration.id == first.migration.id
            && unit.lenient == first.lenient;
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
