//! Walks a plan over a backend: checks, the batch, the sweep, the ready parts, the units. Emits events, prints nothing.

use crate::backend::{Asked, Backend, Entry, Event, Halt, untouched_by};
use crate::error::{Error, Exit, Result};
use crate::gate::{Demand, Doomed};
use crate::place::Place;
use crate::plan::schedule::{Unit, units};
use crate::plan::{Plan, Step};
use crate::source::{Migration, MigrationId, MigrationSet, PartKind};
use std::collections::BTreeSet;

/// A backfill that still changes rows after so many rounds is not guarded, or somebody goes on writing old rows.
const SWEEPS_MAX: usize = 5;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Parts that are complete now, `subsystem/NNN_name` and part, in order.
    pub parts: Vec<(String, PartKind)>,
    /// Statements that were run.
    pub statements: usize,
}

/// What goes around the units of a plan.
#[derive(Debug, Default)]
pub struct Around<'a> {
    /// Whether the batch is recorded already.
    pub begun: bool,
    /// Whether it is journaled who is connected, once the batch is recorded (traps P2).
    pub sees_clients: bool,
    /// What must not be there when a destructive unit takes effect.
    pub gate: Option<&'a Demand>,
    /// Who was seen when the gate opened, to be journaled before the first destructive unit.
    pub gate_passed: Option<String>,
    /// Roles of the old version that lose their way in before it.
    pub shut_out: &'a [String],
    /// The version floor to be recorded before it, or that there is none.
    pub floor: Option<Option<String>>,
}

/// Runs a plan under the lock. What was done before an error is in the error's `now`.
pub async fn run<B: Backend>(
    backend: &mut B,
    set: &MigrationSet,
    plan: &Plan,
    batch: i64,
    around: &Around<'_>,
    tell: &mut dyn FnMut(Event),
) -> Result<Report> {
    let mut later = BTreeSet::new();
    for id in &plan.checks {
        let first = plan.steps.first().is_some_and(|step| step.id == *id);
        if !ask(backend, set, id, PartKind::Check, first).await? {
            later.insert(id);
        }
    }
    if let (Some(taken), false) = (&plan.batch, around.begun) {
        backend.begin(taken, set).await?;
    }
    let batch = plan.batch.as_ref().map_or(batch, |taken| taken.number);
    if around.sees_clients && plan.batch.is_some() {
        let evidence = backend.evidence(&Doomed::default()).await?;
        backend.sighted(batch, "seen", &evidence.seen()).await?;
    }
    if let Some(version) = &plan.record_version {
        backend
            .note(Entry {
                kind: "version",
                migration: None,
                app_version: Some(version),
                reason: None,
            })
            .await?;
    }
    sweep(backend, set, plan, tell).await?;
    for id in &plan.ready {
        ask(backend, set, id, PartKind::Ready, true).await?;
    }
    if let Some(detail) = &around.gate_passed {
        backend.sighted(batch, "gate", detail).await?;
    }
    if !around.shut_out.is_empty() {
        backend.shut_out(around.shut_out).await?;
    }
    if let Some(floor) = &around.floor {
        backend
            .note(Entry {
                kind: "floor",
                migration: None,
                app_version: floor.as_deref(),
                reason: None,
            })
            .await?;
    }
    let units = units(set, plan);
    let mut report = Report::default();
    let mut from = 0;
    while from < units.len() {
        let id = &units[from].migration.id;
        if later.remove(id)
            && let Err(error) = ask(backend, set, id, PartKind::Check, true).await
        {
            return Err(error.now(before(from)));
        }
        // Up to the next migration whose check could not be asked before.
        let ahead = units[from..]
            .iter()
            .position(|unit| later.contains(&unit.migration.id));
        let end = ahead.map_or(units.len(), |ahead| from + ahead);
        let result = backend
            .apply(&units[from..end], batch, around.gate, &mut |event| {
                report.count(&event);
                tell(event);
            })
            .await;
        if let Err(Halt { done, error }) = result {
            let mut error = *error;
            if error.gate.is_some() && from + done > 0 {
                error.now = Some(format!(
                    "{}; the same command goes on with the rest once the gate is open",
                    before(from + done)
                ));
            } else if error.now.is_none() {
                error.now = Some(so_far(from + done, units.get(from + done)));
            }
            return Err(error);
        }
        from = end;
    }
    Ok(report)
}

impl Report {
    /// Counts what a run did whose session was lost: what it had planned, and what is still to be done of that.
    pub fn read_back(&mut self, set: &MigrationSet, before: &Plan, now: &Plan) {
        for step in &before.steps {
            let same = |other: &&Step| (&other.id, other.part) == (&step.id, step.part);
            let left = now.steps.iter().find(same);
            let left_over = left.map_or(0, |left| left.to - left.from);
            self.statements += (step.to - step.from).saturating_sub(left_over);
            if let (None, Some((migration, _))) = (left, part(set, &step.id, step.part)) {
                self.parts.push((migration.label(), step.part));
            }
        }
    }

    fn count(&mut self, event: &Event) {
        if let Event::Unit {
            statements,
            migration,
            part,
            complete,
        } = event
        {
            self.statements += statements;
            if *complete {
                self.parts.push((migration.clone(), *part));
            }
        }
    }
}

/// How much is true of the units before one that failed.
fn before(done: usize) -> String {
    match done {
        0 => "nothing was changed by this run before it".to_string(),
        1 => "one step before it is done and recorded".to_string(),
        done => format!("{done} steps before it are done and recorded"),
    }
}

/// What is true after a unit failed: everything before it is recorded, and of it nothing.
fn so_far(done: usize, failed: Option<&Unit<'_>>) -> String {
    let before = before(done);
    match failed {
        Some(unit) if unit.range.start > 0 => format!(
            "the {} part of {} is done and recorded up to its statement {}; of the failed statement nothing is recorded; {before}",
            unit.kind,
            unit.migration.label(),
            unit.range.start
        ),
        Some(unit) if unit.bare => format!(
            "of the {} part of {} nothing is recorded; {before}",
            unit.kind,
            unit.migration.label()
        ),
        Some(unit) => format!(
            "the {} part of {} was rolled back as a whole; {before}",
            unit.kind,
            unit.migration.label()
        ),
        None => before,
    }
}

/// Runs the backfill parts again until a round changes nothing (traps P1).
async fn sweep<B: Backend>(
    backend: &mut B,
    set: &MigrationSet,
    plan: &Plan,
    tell: &mut dyn FnMut(Event),
) -> Result<()> {
    for id in &plan.sweep {
        let Some((migration, part)) = part(set, id, PartKind::Backfill) else {
            continue;
        };
        let mut round = 1;
        loop {
            let changed = backend.sweep(migration, part, tell).await?;
            tell(Event::Swept {
                migration: migration.label(),
                round,
                changed,
            });
            if changed == 0 {
                let rounds = format!("round {round} changed nothing");
                backend
                    .note(note("sweep", migration, Some(&rounds)))
                    .await?;
                break;
            }
            if round == SWEEPS_MAX {
                return Err(Error::new(
                    Exit::Refused,
                    format!(
                        "the backfill part of {} still changes rows after {SWEEPS_MAX} rounds",
                        migration.label()
                    ),
                )
                .at(Place::file(part.file.path.clone()))
                .now("nothing destructive was run; the migrations are pending as before")
                .next("guard its statements (UPDATE … WHERE new IS NULL), or stop the old version that still writes, then kmig finish"));
            }
            round += 1;
        }
    }
    Ok(())
}

/// Asks a check or ready part. False where it names what an earlier migration of the batch is about to make, and has to
/// be asked again once that has run; `last` allows no such delay.
async fn ask<B: Backend>(
    backend: &mut B,
    set: &MigrationSet,
    id: &MigrationId,
    kind: PartKind,
    last: bool,
) -> Result<bool> {
    let Some((migration, part)) = part(set, id, kind) else {
        return Ok(true);
    };
    let now = untouched_by(kind);
    let untouched = |error: Error| match error.now {
        None => error.now(now),
        Some(_) => error,
    };
    let violation = match backend.ask(part).await.map_err(untouched)? {
        Asked::Clear => {
            backend.note(note(kind.name(), migration, None)).await?;
            return Ok(true);
        }
        Asked::TooEarly(_) if !last => return Ok(false),
        Asked::TooEarly(error) => return Err(untouched(error)),
        Asked::Violation(violation) => violation,
    };
    Err(violation.error(migration, part, kind))
}

/// A line of the journal on something that was asked or swept.
fn note<'a>(kind: &'a str, migration: &'a Migration, reason: Option<&'a str>) -> Entry<'a> {
    Entry {
        kind,
        migration: Some(migration),
        app_version: None,
        reason,
    }
}

fn part<'a>(
    set: &'a MigrationSet,
    id: &MigrationId,
    kind: PartKind,
) -> Option<(&'a Migration, &'a crate::source::Part)> {
    let migration = set.get(id)?;
    Some((migration, migration.part(kind)?))
}
