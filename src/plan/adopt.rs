//! What `adopt` does: which migrations a database has already, and which objects must be there to prove it. Pure.

use super::history::{History, Origin, Progress};
use super::refusal::Refusal;
use super::state::{Disagreement, Row, SchemaState};
use super::there::{Proof, There, Wanted};
use super::{Batch, in_agreement, recorded};
use crate::source::{Migration, MigrationId, MigrationSet, PartKind};
use std::collections::{BTreeMap, BTreeSet};

/// What is adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption<'a> {
    /// The migrations to be marked as executed, and members not begun of an interrupted batch, which are new again.
    pub batch: Batch,
    /// What their parts made by name and left there.
    pub wanted: Vec<Wanted<'a>>,
}

impl Default for Adoption<'_> {
    /// Nothing to adopt.
    fn default() -> Self {
        Adoption {
            batch: Batch {
                number: 0,
                origin: Origin::Adopt,
                take: Vec::new(),
                leave: Vec::new(),
                undo: None,
                app_version: None,
            },
            wanted: Vec::new(),
        }
    }
}

/// Decides what `adopt` marks: every migration of a baseline's subsystem up to the baseline. `version` is the
/// application version that the database has, where the user said so.
///
/// # Errors
/// The reason why nothing may be marked.
pub fn plan<'a>(
    set: &'a MigrationSet,
    history: Option<&History>,
    depends_on: &BTreeMap<String, Vec<String>>,
    baselines: &[MigrationId],
    version: Option<&str>,
) -> Result<Adoption<'a>, Refusal> {
    let state = SchemaState::compare(set, history);
    let tops = tops(set, baselines)?;
    in_agreement(&state)?;
    let within = |id: &MigrationId| {
        let top = tops.get(id.subsystem.as_str());
        top.is_some_and(|top| id.number <= *top)
    };
    let late = state
        .disagreements()
        .filter(|row| row.disagreement == Some(Disagreement::Late) && within(&row.id));
    if let Some(refusal) = Refusal::of_disagreements(late) {
        return Err(refusal);
    }
    let members: Vec<&Migration> = set
        .migrations
        .iter()
        .filter(|migration| within(&migration.id))
        .filter(|migration| {
            let applied = recorded(history, migration);
            applied.is_none_or(|applied| applied.progress != Progress::Executed)
        })
        .collect();
    if !members.is_empty() {
        settled(&state)?;
        needs_met(set, history, depends_on, &tops)?;
    }
    let applied = history.into_iter().flat_map(|history| &history.applied);
    let leave: Vec<MigrationId> = applied
        .filter(|(_, applied)| applied.not_begun())
        .map(|(id, _)| id.clone())
        .collect();
    // The version of a batch that leaves without a statement never came to be.
    let known = history.and_then(|history| match leave.is_empty() {
        true => history.app_version.clone(),
        false => history.version_before.clone(),
    });
    Ok(Adoption {
        wanted: wanted(&members),
        batch: Batch {
            number: history.map_or(1, |history| history.batch + 1),
            origin: Origin::Adopt,
            take: members.iter().map(|found| found.id.clone()).collect(),
            leave,
            undo: None,
            app_version: version.map(str::to_string).or(known),
        },
    })
}

/// The baseline's number of each subsystem that is named.
fn tops<'a>(
    set: &MigrationSet,
    baselines: &'a [MigrationId],
) -> Result<BTreeMap<&'a str, u64>, Refusal> {
    let mut tops = BTreeMap::new();
    for id in baselines {
        if set.get(id).is_none() {
            let name = format!("{}/{}", id.subsystem, id.number);
            return Err(Refusal::NoSuchMigration(name));
        }
        let before = tops.insert(id.subsystem.as_str(), id.number);
        if before.is_some_and(|before| before != id.number) {
            return Err(Refusal::TwoBaselines(id.subsystem.clone()));
        }
    }
    Ok(tops)
}

/// Refuses in the middle of a batch. One of which nothing was run is no hindrance: it may have failed just because the
/// tables were there.
fn settled(state: &SchemaState) -> Result<(), Refusal> {
    let begun = |row: &&Row| {
        let applied = row.applied.as_ref();
        applied.is_some_and(|applied| !applied.not_begun())
    };
    let open = |test: fn(Progress) -> bool| {
        state.rows.iter().filter(begun).any(|row| {
            let applied = row.applied.as_ref();
            applied.is_some_and(|applied| test(applied.progress))
        })
    };
    let bootstrap = state.rows.iter().filter(begun).any(|row| {
        row.applied.as_ref().is_some_and(|applied| {
            applied.origin == Origin::Bootstrap && applied.progress != Progress::Executed
        })
    });
    if bootstrap {
        Err(Refusal::NeedsBootstrap { interrupted: true })
    } else if state.undo_interrupted() {
        Err(Refusal::UndoInterrupted)
    } else if open(Progress::expanding) {
        Err(Refusal::UpInterrupted)
    } else if state.pending().next().is_some() {
        Err(Refusal::AdoptPending(
            state.pending().map(Row::label).collect(),
        ))
    } else {
        Ok(())
    }
}

/// Refuses where a subsystem that a named one depends on has neither a baseline nor anything executed.
fn needs_met(
    set: &MigrationSet,
    history: Option<&History>,
    depends_on: &BTreeMap<String, Vec<String>>,
    tops: &BTreeMap<&str, u64>,
) -> Result<(), Refusal> {
    let applied = history.into_iter().flat_map(|history| &history.applied);
    let known: BTreeSet<&str> = applied
        .filter(|(_, applied)| applied.progress == Progress::Executed)
        .map(|(id, _)| id.subsystem.as_str())
        .chain(tops.keys().copied())
        .collect();
    let mut open: Vec<&str> = tops.keys().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(subsystem) = open.pop() {
        for needs in depends_on.get(subsystem).into_iter().flatten() {
            let mut files = set.migrations.iter().rev();
            let last = files.find(|migration| migration.id.subsystem == *needs);
            if let Some(last) = last.filter(|_| !known.contains(needs.as_str())) {
                return Err(Refusal::BaselineNeeded {
                    subsystem: subsystem.to_string(),
                    needs: needs.clone(),
                    last: last.label(),
                });
            }
            if seen.insert(needs) {
                open.push(needs);
            }
        }
    }
    Ok(())
}

/// What the parts of these migrations made by name, less what later ones of them dropped, under its last name.
fn wanted<'a>(members: &[&'a Migration]) -> Vec<Wanted<'a>> {
    let mut there = There::default();
    for migration in members {
        for kind in [PartKind::Up, PartKind::Backfill, PartKind::Finish] {
            if let Some(part) = migration.part(kind) {
                there.run(part, 0..part.len(), Proof::Adopted, |_, _, _| {});
            }
        }
    }
    there.found
}

#[cfg(test)]
mod tests;
