//! `kmig check`.

use super::context::Context;
use crate::backend::Backend;
use crate::error::Result;
use crate::plan::refusal::Refusal;
use crate::plan::state::SchemaState;
use crate::report::{Answer, count};
use crate::source::Part;
use serde_json::json;

/// Parses every file; with `db` also compares them with what is recorded.
pub async fn run(context: &Context, db: bool) -> Result<Answer> {
    let set = context.files()?;
    for warning in &set.warnings {
        context.progress.say(warning);
    }
    let statements: usize = set
        .migrations
        .iter()
        .flat_map(|migration| migration.parts.values())
        .map(Part::len)
        .sum();
    let files = format!(
        "{}, {}",
        count(set.migrations.len(), "migration"),
        count(statements, "statement")
    );
    let counted = |answer: Answer| {
        answer
            .with("migrations", set.migrations.len())
            .with("statements", statements)
            .with("warnings", json!(set.warnings))
    };
    if !db {
        return Ok(counted(Answer::line(format!(
            "The files are in order: {files}."
        ))));
    }
    let mut database = context.open().await?;
    let history = database.history().await?;
    let state = SchemaState::compare(&set, history.as_ref());
    if let Some(refusal) = Refusal::of_disagreements(state.disagreements()) {
        return Err(refusal.error());
    }
    if state.ahead().next().is_some() {
        return Err(Refusal::ahead(&state).error());
    }
    Ok(counted(Answer::line(format!(
        "The files are in order and agree with the database: {files}."
    ))))
}
