//! The engine: `plan(files, recorded history, command)` is a plan or a refusal. Pure: no clock, no driver, no file system.
//!
//! The plan is a value: a dry run prints it, a run executes it, tests compare it. Resuming is no special path: a step
//! starts at the first statement that is not done.

pub mod adopt;
mod bootstrap;
pub mod effects;
mod finish;
pub mod gone;
pub mod history;
pub mod refusal;
pub mod reset;
pub mod schedule;
pub mod state;
pub mod there;
mod undo;
mod up;
pub mod version;

#[cfg(test)]
mod replay;

use crate::source::{Migration, MigrationId, MigrationSet, PartKind};
use history::{Applied, History, Origin, Progress};
use refusal::Refusal;
use state::{Disagreement, SchemaState};
use std::collections::BTreeSet;

pub use up::below_floor;

/// What a user asks of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A fresh database to the complete state.
    Bootstrap,
    /// Expand and backfill what is new.
    Up(UpOptions),
    /// Contract what is pending.
    Finish,
    /// Take back the pending batch.
    Undo,
}

/// Options of `up`, each override with its reason kept by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpOptions {
    /// Stop after this migration.
    pub to: Option<MigrationId>,
    /// Late migrations that may run all the same.
    pub allow_late: BTreeSet<MigrationId>,
    /// The application version that the database has, where none is recorded.
    pub from_version: Option<String>,
}

/// The `[app]` table, as far as the plan needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct App {
    /// The version that these files belong to.
    pub version: Option<String>,
    /// The oldest version that may come here directly.
    pub upgrade_from: Option<String>,
}

/// What a command will do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Recorded in one write before the first statement.
    pub batch: Option<Batch>,
    /// Check parts that are asked first; a row stops the run before anything happened.
    pub checks: Vec<MigrationId>,
    /// Backfill parts that are run again until they change nothing, before the first destructive step (traps P1).
    pub sweep: Vec<MigrationId>,
    /// Ready parts that are asked after the sweep.
    pub ready: Vec<MigrationId>,
    /// The parts to run.
    pub steps: Vec<Step>,
    /// An application version to record although nothing is to be run.
    pub record_version: Option<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do at all.
    pub fn is_empty(&self) -> bool {
        self.batch.is_none() && self.steps.is_empty() && self.record_version.is_none()
    }
}

/// The batch as it is recorded before its first statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number, from 1.
    pub number: i64,
    /// The command that takes it on.
    pub origin: Origin,
    /// Members that are not recorded yet.
    pub take: Vec<MigrationId>,
    /// Members not begun whose file is gone: they leave it.
    pub leave: Vec<MigrationId>,
    /// For an undo, the members that are to be taken back and not marked yet. Marked in the same write, all of them: a crash in the middle of an undo must
    /// not leave a batch that looks complete because only its executed members are left.
    pub undo: Option<Vec<MigrationId>>,
    /// The application version of the files; replaces the batch's.
    pub app_version: Option<String>,
}

/// One part of one migration, from its first statement that is not done to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The migration.
    pub id: MigrationId,
    /// The part; for [`PartKind::Undo`] of a member that is not begun there is nothing to run but its record to remove.
    pub part: PartKind,
    /// Statements of the part that are done already.
    pub from: usize,
    /// How many statements of the part this step reaches to: all of them, or none.
    pub to: usize,
    /// Undo after a half-run up: what is not there counts as undone.
    pub lenient: bool,
}

/// Decides what a command does to a database with this history.
///
/// # Errors
/// The reason why the command may not run.
pub fn plan(
    set: &MigrationSet,
    history: Option<&History>,
    app: &App,
    command: &Command,
) -> Result<Plan, Refusal> {
    let state = SchemaState::compare(set, history);
    let mut plan = match command {
        Command::Bootstrap => bootstrap::plan(set, history, app, &state)?,
        Command::Up(options) => up::plan(set, history, app, &state, options)?,
        Command::Finish => finish::plan(set, history, &state)?,
        Command::Undo => undo::plan(set, history, &state)?,
    };
    plan.warnings.extend(set.warnings.iter().cloned());
    Ok(plan)
}

/// The history of a database whose bootstrap is complete.
fn bootstrapped<'a>(
    history: Option<&'a History>,
    state: &SchemaState,
) -> Result<&'a History, Refusal> {
    history
        .filter(|_| !state.bootstrap_interrupted())
        .ok_or(Refusal::NeedsBootstrap {
            interrupted: state.bootstrapped,
        })
}

/// Refuses where files and database disagree. A late file is new and waits for `up`: it does not stand in the way.
fn in_agreement(state: &SchemaState) -> Result<(), Refusal> {
    let disagreeing = state
        .disagreements()
        .filter(|row| row.disagreement != Some(Disagreement::Late));
    match Refusal::of_disagreements(disagreeing) {
        Some(refusal) => Err(refusal),
        None if state.ahead().next().is_some() => Err(Refusal::ahead(state)),
        None => Ok(()),
    }
}

fn recorded<'a>(history: Option<&'a History>, migration: &Migration) -> Option<&'a Applied> {
    history.and_then(|history| history.applied.get(&migration.id))
}

/// Members not begun whose file is gone.
fn leaving(set: &MigrationSet, history: Option<&History>) -> Vec<MigrationId> {
    let files: BTreeSet<&MigrationId> = set.migrations.iter().map(|found| &found.id).collect();
    let applied = history.map(|history| history.applied.iter());
    applied
        .into_iter()
        .flatten()
        .filter(|(id, applied)| applied.not_begun() && !files.contains(id))
        .map(|(id, _)| id.clone())
        .collect()
}

fn step(migration: &Migration, part: PartKind, from: usize) -> Step {
    let to = migration.statements(part);
    Step {
        id: migration.id.clone(),
        part,
        from: from.min(to),
        to,
        lenient: false,
    }
}

/// What is left of a migration's up and backfill parts.
fn expand(migration: &Migration, progress: Progress) -> Vec<Step> {
    let backfill = migration.part(PartKind::Backfill).is_some();
    match progress {
        Progress::Up(done) => std::iter::once(step(migration, PartKind::Up, done))
            .chain(backfill.then(|| step(migration, PartKind::Backfill, 0)))
            .collect(),
        Progress::Backfill(done) => vec![step(migration, PartKind::Backfill, done)],
        _ => Vec::new(),
    }
}

/// What is left of a migration's finish part once its expand is complete.
fn contract(migration: &Migration, progress: Progress) -> Vec<Step> {
    let from = match progress {
        Progress::Contracting(done) => done,
        Progress::Executed | Progress::Undoing(_) => return Vec::new(),
        Progress::Up(_) | Progress::Backfill(_) | Progress::Pending => 0,
    };
    let finish = migration.part(PartKind::Finish);
    finish
        .map(|_| step(migration, PartKind::Finish, from))
        .into_iter()
        .collect()
}
