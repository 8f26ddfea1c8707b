//! `kmig accept`.

use super::context::Context;
use super::engine::lock_wait;
use crate::backend::{Backend, Database};
use crate::error::{Error, Result};
use crate::plan::state::{Disagreement, SchemaState, over};
use crate::report::Answer;
use crate::source::names::identity;
use crate::source::{MigrationId, MigrationSet, Part, PartKind};

/// Records the checksums of an edited migration's files in place of those that ran.
pub async fn run(context: &Context, name: &str, reason: &str, wait: &str) -> Result<Answer> {
    let wait = lock_wait(wait)?;
    let set = context.migrations()?;
    let (id, _) = identity(name).map_err(Error::usage)?;
    if reason.trim().is_empty() {
        return Err(Error::usage("--reason is empty").next("say why the edit is fine"));
    }
    if set.get(&id).is_none() {
        return Err(
            Error::usage(format!("there is no migration {name} among the files"))
                .next("kmig list shows their names"),
        );
    }
    let mut database = context.open().await?;
    database.history().await?;
    database
        .lock(wait, &mut |event| context.progress.event(event))
        .await?;
    let result = locked(&mut database, &set, &id, reason).await;
    let unlocked = database.unlock().await;
    let answer = result?;
    unlocked?;
    Ok(answer)
}

async fn locked(
    database: &mut Database,
    set: &MigrationSet,
    id: &MigrationId,
    reason: &str,
) -> Result<Answer> {
    let history = database.history().await?;
    let state = SchemaState::compare(set, history.as_ref());
    let row = state.rows.iter().find(|row| row.id == *id);
    let (Some(row), Some(migration)) = (row, set.get(id)) else {
        return Ok(Answer::line("Nothing to accept."));
    };
    let Some(Disagreement::Changed(what)) = &row.disagreement else {
        return Ok(Answer::line(format!(
            "Nothing to accept: {} agrees with what is recorded.",
            row.label()
        )));
    };
    let Some(applied) = &row.applied else {
        return Ok(Answer::line(format!("{} has not run yet.", row.label())));
    };
    // Every part that is recorded or whose time is over; one that has not run yet stays editable.
    let seals: Vec<(PartKind, Option<String>)> = PartKind::SEALED
        .into_iter()
        .filter(|part| applied.checksums.contains_key(part) || over(*part, applied.progress))
        .map(|part| {
            let seal = |file: &Part| match applied.progress.done_of(part) {
                Some(done) => file.begun(done),
                None => file.checksum.clone(),
            };
            (part, migration.part(part).map(seal))
        })
        .collect();
    let words = format!("{reason} ({})", what.join("; "));
    database.accept(migration, &seals, &words).await?;
    Ok(Answer::line(format!(
        "Accepted {}: {}.",
        row.label(),
        what.join("; ")
    )))
}
