//! A plan's steps cut into the units that a database runs: transactions and bare statements. Pure.

use super::history::Progress;
use super::{Plan, Step};
use crate::source::{Migration, MigrationId, MigrationSet, Part, PartKind};
use crate::sql::cut::Segment;
use std::collections::BTreeMap;
use std::ops::Range;

/// A run of statements of one part whose end is recorded.
#[derive(Debug, Clone)]
pub struct Unit<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// The part; absent where only the record moves on (a member not begun is undone, an absent up part).
    pub part: Option<&'a Part>,
    /// Which part it is.
    pub kind: PartKind,
    /// The statements to run.
    pub range: Range<usize>,
    /// Whether it is one statement that the server refuses in a transaction.
    pub bare: bool,
    /// What is recorded when they are done; nothing where the migration's record is removed.
    pub then: Option<Progress>,
    /// What is not there counts as undone.
    pub lenient: bool,
}

/// Cuts a plan's steps into units, in order.
pub fn units<'a>(set: &'a MigrationSet, plan: &Plan) -> Vec<Unit<'a>> {
    let migrations: BTreeMap<&MigrationId, &Migration> = set
        .migrations
        .iter()
        .map(|migration| (&migration.id, migration))
        .collect();
    let mut units = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        // A plan is made from this set, so each of its steps is found.
        if let Some(migration) = migrations.get(&step.id) {
            cut(migration, step, &mut units);
        }
    }
    units
}

fn cut<'a>(migration: &'a Migration, step: &Step, units: &mut Vec<Unit<'a>>) {
    let part = migration.part(step.part);
    let unit = |range: Range<usize>, bare: bool| Unit {
        migration,
        part,
        kind: step.part,
        then: if range.end >= step.to && step.part == PartKind::Undo {
            None
        } else {
            Progress::after(migration, step.part, range.end)
        },
        range,
        bare,
        lenient: step.lenient,
    };
    if step.from >= step.to {
        units.push(unit(step.to..step.to, false));
        return;
    }
    for segment in part.map_or(&[][..], |part| &part.segments) {
        let (range, bare) = match segment {
            Segment::Transaction(range) => (range.clone(), false),
            Segment::Bare(at) => (*at..*at + 1, true),
        };
        let range = range.start.max(step.from)..range.end;
        if range.is_empty() {
            continue;
        }
        if step.part == PartKind::Backfill && !bare {
            // Each statement of a backfill is a transaction of its own (contract §2).
            units.extend(range.map(|at| unit(at..at + 1, false)));
        } else {
            units.push(unit(range, bare));
        }
    }
}
