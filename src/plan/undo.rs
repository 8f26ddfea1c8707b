//! What `undo` does: take back the pending batch, newest first. Pure.

use super::history::{Applied, History, Origin, Progress};
use super::refusal::Refusal;
use super::state::SchemaState;
use super::{Batch, Plan, Step, bootstrapped, in_agreement, leaving};
use crate::source::{Migration, MigrationId, MigrationSet, PartKind};

/// Decides what `undo` does.
pub fn plan(
    set: &MigrationSet,
    history: Option<&History>,
    state: &SchemaState,
) -> Result<Plan, Refusal> {
    let history = bootstrapped(history, state)?;
    in_agreement(state)?;
    let members: Vec<(&MigrationId, &Applied)> = history
        .applied
        .iter()
        .filter(|(_, applied)| applied.batch == history.batch && applied.origin == Origin::Up)
        .collect();
    if members
        .iter()
        .all(|(_, applied)| applied.progress == Progress::Executed)
    {
        return Ok(Plan::default());
    }
    let label = |id: &MigrationId, applied: &Applied| format!("{}/{}", id.subsystem, applied.name);
    let contracted: Vec<String> = members
        .iter()
        .filter(|(_, applied)| applied.contracted())
        .map(|(id, applied)| label(id, applied))
        .collect();
    if !contracted.is_empty() {
        return Err(Refusal::FinishBegun(contracted));
    }
    let mut plan = Plan::default();
    let mut marked = Vec::new();
    let mut without = Vec::new();
    for migration in set.migrations.iter().rev() {
        let member = members.iter().find(|(id, _)| **id == migration.id);
        let Some((id, applied)) = member else {
            continue;
        };
        let ran = migration.statements(PartKind::Up) + migration.statements(PartKind::Backfill);
        let needed = !applied.checksums.is_empty() && ran > 0;
        if needed && migration.statements(PartKind::Undo) == 0 {
            without.push(label(id, applied));
        }
        let from = match applied.progress {
            Progress::Undoing(done) => done,
            _ => {
                marked.push(migration.id.clone());
                0
            }
        };
        let to = if needed {
            migration.statements(PartKind::Undo)
        } else {
            0
        };
        plan.steps.push(Step {
            id: migration.id.clone(),
            part: PartKind::Undo,
            from: from.min(to),
            to,
            lenient: half_run(migration, applied),
        });
    }
    plan.batch = Some(Batch {
        number: history.batch,
        origin: Origin::Up,
        take: Vec::new(),
        // Members not begun whose file is gone have nothing to be undone.
        leave: leaving(set, Some(history)),
        undo: Some(marked),
        app_version: history.version_before.clone(),
    });
    if without.is_empty() {
        Ok(plan)
    } else {
        Err(Refusal::NoUndo(without))
    }
}

/// Whether the expand of a migration is not complete: what it did not make is not there to be taken back. Asked of the
/// seals, which an undo leaves as they are, so that a resumed undo is as strict as its first run.
fn half_run(migration: &Migration, applied: &Applied) -> bool {
    [PartKind::Up, PartKind::Backfill].into_iter().any(|kind| {
        migration
            .part(kind)
            .is_some_and(|part| applied.checksums.get(&kind) != Some(&part.checksum))
    })
}
