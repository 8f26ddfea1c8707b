//! Which units share an intent, and so one conditional write. Pure.

use crate::cql::proof::joins;
use crate::cql::{Act, Statement};
use crate::plan::history::Progress;
use crate::plan::schedule::Unit;
use crate::source::PartKind;

/// So many writes share an intent at most: they are repeated together after a crash.
const WRITES_MAX: usize = 64;

/// So many statements that add to the schema do. What an executor that is killed has done of them is counted by the next
/// one, so more of them would only hide longer from others how far it has come.
const CHANGES_MAX: usize = 16;

/// So many bytes of either do.
const BYTES_MAX: usize = 64 * 1024;

/// Whether a statement writes rows.
pub fn writes(act: &Act) -> bool {
    matches!(act, Act::Write(_) | Act::Batch(_) | Act::Truncate { .. })
}

/// The changes of the schema that the next units begin with, where nothing is asked before them whether they are to be
/// passed over.
pub fn schema_changes(units: &[Unit<'_>], keyspace: &str) -> Vec<Act> {
    let together = units.iter().take(group(units, keyspace));
    let acts = together.filter(|unit| !unit.lenient).filter_map(|unit| {
        let statements = unit.part?.cql.get(unit.range.clone())?;
        statements.first().map(|statement| statement.act.clone())
    });
    acts.filter(|act| !writes(act)).collect()
}

/// A unit in two, the second of which begins with a statement.
pub fn cut<'a>(unit: &Unit<'a>, at: usize) -> (Unit<'a>, Unit<'a>) {
    let before = Unit {
        range: unit.range.start..at,
        then: Progress::after(unit.migration, unit.kind, at),
        ..unit.clone()
    };
    let rest = Unit {
        range: at..unit.range.end,
        ..unit.clone()
    };
    (before, rest)
}

/// Whether a repeat of a statement writes the same cells again, and nothing else.
pub fn repeatable(statement: &Statement) -> bool {
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

/// How many of the next units share an intent: writes of one part, or statements of one that only add to the schema.
pub fn group(units: &[Unit<'_>], keyspace: &str) -> usize {
    let Some(first) = units.first() else {
        return 0;
    };
    let mut bytes = 0;
    let mut acts: Vec<&Act> = Vec::new();
    for unit in units.iter().take(WRITES_MAX) {
        let same =
            unit.kind == first.kind && unit.migration.id == first.migration.id && !unit.lenient;
        let found = unit.part.and_then(|part| part.cql.get(unit.range.clone()));
        let Some([statement]) = found.filter(|_| same) else {
            break;
        };
        bytes += statement.span.end - statement.span.start;
        let rows = acts.first().is_none_or(|first| writes(first)) && repeatable(statement);
        let adds = unit.kind == PartKind::Up
            && acts.len() < CHANGES_MAX
            && statement.directives.done_when.is_none()
            && joins(&acts, &statement.act, keyspace);
        if bytes > BYTES_MAX || !(rows || adds) {
            break;
        }
        acts.push(&statement.act);
    }
    // What cannot be shared has an intent of its own.
    acts.len().max(1)
}

/// How many of the next units an open intent is about: those that end where it does, or before.
pub fn until(units: &[Unit<'_>], to: usize) -> usize {
    let Some(first) = units.first() else {
        return 0;
    };
    let its = units.iter().take_while(|unit| {
        unit.kind == first.kind && unit.migration.id == first.migration.id && unit.range.end <= to
    });
    its.count().max(1)
}
