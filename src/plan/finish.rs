//! What `finish` does: contract what is pending, after the sweep and the ready parts. Pure.

use super::history::{History, Progress};
use super::refusal::Refusal;
use super::state::SchemaState;
use super::{Plan, bootstrapped, contract, in_agreement, recorded};
use crate::source::{MigrationSet, PartKind};

/// Decides what `finish` does.
pub fn plan(
    set: &MigrationSet,
    history: Option<&History>,
    state: &SchemaState,
) -> Result<Plan, Refusal> {
    let history = bootstrapped(history, state)?;
    in_agreement(state)?;
    if state.undo_interrupted() {
        return Err(Refusal::UndoInterrupted);
    }
    if state.up_interrupted() {
        return Err(Refusal::UpInterrupted);
    }
    let mut plan = Plan::default();
    // Once a destructive step has been taken, the sweep before it was clean and no old client writes any more; a
    // backfill may by now read what a finish has dropped.
    let swept = history
        .applied
        .values()
        .any(|applied| applied.batch == history.batch && applied.contracted());
    for migration in &set.migrations {
        let Some(applied) = recorded(Some(history), migration) else {
            continue;
        };
        let steps = contract(migration, applied.progress);
        if steps.is_empty() {
            continue;
        }
        if applied.progress == Progress::Pending {
            if !swept && migration.statements(PartKind::Backfill) > 0 {
                plan.sweep.push(migration.id.clone());
            }
            if migration.statements(PartKind::Ready) > 0 {
                plan.ready.push(migration.id.clone());
            }
        }
        plan.steps.extend(steps);
    }
    Ok(plan)
}
