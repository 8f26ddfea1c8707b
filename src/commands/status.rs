//! `kmig status` and `kmig list`.

use super::context::Context;
use super::gate;
use crate::backend::Backend;
use crate::error::Result;
use crate::gate::Side;
use crate::plan::state::{Due, Row, SchemaState};
use crate::plan::{Command, plan};
use crate::report::Answer;
use crate::report::status::{Page, list as list_page, status as status_page};

/// The page of every migration, its state, and what to do next.
pub async fn status(context: &Context, exit_code: bool) -> Result<Answer> {
    show(context, exit_code, true).await
}

/// One line per migration.
pub async fn list(context: &Context, exit_code: bool) -> Result<Answer> {
    show(context, exit_code, false).await
}

async fn show(context: &Context, exit_code: bool, page: bool) -> Result<Answer> {
    let settings = context.settings()?;
    let set = context.migrations()?;
    let mut database = context.open().await?;
    let history = database.history().await?;
    let state = SchemaState::compare(&set, history.as_ref());
    // Where nothing is to be done nobody is at work either, and one query is enough.
    let holder = match state.due() {
        Due::Nothing => None,
        _ => database.holder().await?,
    };
    // Only the middle of a part can have left something.
    let in_part = |row: &Row| {
        let applied = row.applied.as_ref();
        applied.is_some_and(|applied| applied.progress.columns().1.is_some())
    };
    let leftovers = match state.rows.iter().any(in_part) {
        true => database.leftovers().await?,
        false => Vec::new(),
    };
    let version = settings.app.version.as_deref();
    let app = settings.app_name.as_deref().map(|name| match version {
        Some(version) => format!("the files are {name} {version}"),
        None => format!("the files are {name}"),
    });
    let data = Page {
        database: database.name(),
        app,
        history: history.as_ref(),
        holder,
        leftovers,
        warnings: &set.warnings,
        width: context.terminal.width,
    };
    let style = context.terminal.style;
    if !page {
        return Ok(list_page(&state, &data, exit_code, style));
    }
    let answer = status_page(&state, &data, exit_code, style);
    if state.due() != Due::Finish || data.holder.is_some() {
        return Ok(answer);
    }
    // Seen beforehand, in one look: a status says nothing worse because of it.
    let history = history.as_ref();
    let Ok(plan) = plan(&set, history, &settings.app, &Command::Finish) else {
        return Ok(answer);
    };
    let seen = answer.clone();
    gate::shown(
        context,
        &set,
        &mut database,
        history,
        &plan,
        Side::Old,
        answer,
    )
    .await
    .or(Ok(seen))
}
