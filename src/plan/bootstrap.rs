//! What `bootstrap` does: every migration to its end, as one batch. Pure.

use super::history::{History, Origin, Progress};
use super::refusal::Refusal;
use super::state::{Due, SchemaState};
use super::{App, Batch, Plan, contract, expand, in_agreement, leaving, recorded};
use crate::source::MigrationSet;

/// Decides what `bootstrap` does.
pub fn plan(
    set: &MigrationSet,
    history: Option<&History>,
    app: &App,
    state: &SchemaState,
) -> Result<Plan, Refusal> {
    if state.bootstrapped && !state.bootstrap_interrupted() {
        return match state.due() {
            Due::Nothing => Ok(Plan::default()),
            due => Err(Refusal::AlreadyBootstrapped(due)),
        };
    }
    // Late files join an incomplete bootstrap: no application runs there.
    in_agreement(state)?;
    let take = set
        .migrations
        .iter()
        .filter(|migration| recorded(history, migration).is_none());
    let batch = Batch {
        number: history.map_or(1, |history| history.batch.max(1)),
        origin: Origin::Bootstrap,
        take: take.map(|migration| migration.id.clone()).collect(),
        leave: leaving(set, history),
        undo: None,
        app_version: app.version.clone(),
    };
    let mut steps = Vec::new();
    for migration in &set.migrations {
        let progress = recorded(history, migration).map_or(Progress::BEGIN, |a| a.progress);
        steps.extend(expand(migration, progress));
        steps.extend(contract(migration, progress));
    }
    Ok(Plan {
        batch: Some(batch),
        steps,
        ..Plan::default()
    })
}
