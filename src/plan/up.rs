//! What `up` does: expand and backfill what is new, or go on where an `up` was interrupted. Pure.

use super::history::{History, Origin, Progress};
use super::refusal::Refusal;
use super::state::{Disagreement, Row, SchemaState};
use super::version::Version;
use super::{App, Batch, Plan, UpOptions, bootstrapped, expand, leaving, recorded};
use crate::source::{Migration, MigrationSet, PartKind};

/// Decides what `up` does.
pub fn plan(
    set: &MigrationSet,
    history: Option<&History>,
    app: &App,
    state: &SchemaState,
    options: &UpOptions,
) -> Result<Plan, Refusal> {
    let history = bootstrapped(history, state)?;
    let wanted = wanted(set, options)?;
    agreed(history, state, options)?;
    if state.ahead().next().is_some() {
        return behind(state, app, history);
    }
    if state.undo_interrupted() {
        return Err(Refusal::UndoInterrupted);
    }
    let leave = leaving(set, Some(history));
    let interrupted = state.up_interrupted() || !leave.is_empty();
    let new: Vec<&Migration> = wanted
        .iter()
        .filter(|migration| !interrupted && recorded(Some(history), migration).is_none())
        .collect();
    if !new.is_empty() && state.pending().next().is_some() {
        return Err(Refusal::PendingFirst {
            pending: state.pending().map(Row::label).collect(),
            new: new.iter().map(|migration| migration.label()).collect(),
        });
    }
    let mut plan = Plan::default();
    for migration in wanted {
        let progress = match recorded(Some(history), migration) {
            Some(applied) if applied.progress.expanding() => applied.progress,
            None if !interrupted => Progress::BEGIN,
            _ => continue,
        };
        if progress == Progress::BEGIN && migration.part(PartKind::Check).is_some() {
            plan.checks.push(migration.id.clone());
        }
        plan.steps.extend(expand(migration, progress));
    }
    // Where `--to` stops before the interrupted migration there is nothing to do.
    if !plan.steps.is_empty() || !leave.is_empty() {
        plan.batch = Some(Batch {
            number: history.batch + i64::from(!interrupted),
            origin: Origin::Up,
            take: new.iter().map(|migration| migration.id.clone()).collect(),
            leave,
            undo: None,
            app_version: app.version.clone(),
        });
    } else if !interrupted && app.version.is_some() && app.version != history.app_version {
        plan.record_version = app.version.clone();
    }
    if !plan.is_empty() {
        floor(app, history, options)?;
    }
    Ok(plan)
}

/// The migrations up to that of `--to`.
fn wanted<'a>(set: &'a MigrationSet, options: &UpOptions) -> Result<&'a [Migration], Refusal> {
    let Some(id) = &options.to else {
        return Ok(&set.migrations);
    };
    let found = set.migrations.iter().position(|found| found.id == *id);
    match found {
        Some(at) => Ok(&set.migrations[..=at]),
        None => Err(Refusal::NoSuchMigration(format!(
            "{}/{}",
            id.subsystem, id.number
        ))),
    }
}

/// Refuses where files and database disagree, but for late migrations that are allowed by name.
fn agreed(history: &History, state: &SchemaState, options: &UpOptions) -> Result<(), Refusal> {
    let late = |row: &Row| row.disagreement == Some(Disagreement::Late);
    for id in &options.allow_late {
        // A rerun finds it recorded, and is no mistake.
        let known = history.applied.contains_key(id)
            || state.rows.iter().any(|row| row.id == *id && late(row));
        if !known {
            return Err(Refusal::NotLate(format!("{}/{}", id.subsystem, id.number)));
        }
    }
    let disagreeing = state
        .disagreements()
        .filter(|row| !(late(row) && options.allow_late.contains(&row.id)));
    Refusal::of_disagreements(disagreeing).map_or(Ok(()), Err)
}

/// An old pod that restarts on a database of a newer version lives, as long as all its own files are applied.
fn behind(state: &SchemaState, app: &App, history: &History) -> Result<Plan, Refusal> {
    if state.not_expanded().next().is_some() {
        return Err(Refusal::ahead(state));
    }
    if let Some(below) = below_floor(app.version.as_deref(), history) {
        return Err(below);
    }
    let names: Vec<String> = state.ahead().map(Row::label).collect();
    Ok(Plan {
        warnings: vec![format!(
            "the database is ahead of these files (it has {}); all of these files are applied, so there is nothing to do",
            names.join(", ")
        )],
        ..Plan::default()
    })
}

/// Why an application of this version must stay down, if it must: a finish has taken away what it needs (contract §6.5).
/// Without a version nobody can tell that it fits.
pub fn below_floor(version: Option<&str>, history: &History) -> Option<Refusal> {
    let floor = history.floor.as_ref()?;
    let fits = match (version.and_then(Version::read), Version::read(floor)) {
        (Some(version), Some(floor)) => version >= floor,
        _ => false,
    };
    (!fits).then(|| Refusal::BelowFloor {
        version: version.map(str::to_string),
        floor: floor.clone(),
    })
}

/// The version floor: a database older than `upgrade_from` does not come here directly.
fn floor(app: &App, history: &History, options: &UpOptions) -> Result<(), Refusal> {
    let Some(upgrade_from) = &app.upgrade_from else {
        return Ok(());
    };
    let stated = options.from_version.as_ref();
    let recorded = history.app_version.as_ref();
    let readable = recorded.filter(|text| Version::read(text).is_some());
    let version = readable
        .or(stated)
        .and_then(|text| Some((text, Version::read(text)?)));
    match (version, Version::read(upgrade_from)) {
        (Some((text, version)), Some(lowest)) if version < lowest => Err(Refusal::TooOld {
            recorded: text.clone(),
            upgrade_from: upgrade_from.clone(),
        }),
        (Some(_), _) => Ok(()),
        (None, _) => Err(Refusal::UnknownVersion {
            recorded: recorded.cloned(),
            upgrade_from: upgrade_from.clone(),
        }),
    }
}
