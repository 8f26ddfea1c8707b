//! `kmig plan`.

use super::context::Context;
use super::gate;
use super::safety::{judged, passed, show};
use super::up::{Stage, options, stage};
use crate::backend::Backend;
use crate::cli::{Planned, UpArgs};
use crate::error::Result;
use crate::gate::Side;
use crate::plan::refusal::Refusal;
use crate::plan::{Command, plan};
use crate::report::{Answer, plan as report};

/// Shows what a command would run. Takes no lock and writes nothing.
pub async fn run(context: &Context, planned: Planned, up: &UpArgs) -> Result<Answer> {
    let set = context.migrations()?;
    let mut database = context.open().await?;
    let (verb, command) = match planned {
        Planned::Up => match stage(up, &set, &context.settings()?.app, &mut database).await? {
            Stage::Up => ("up", Command::Up(options(up, &set)?)),
            Stage::Bootstrap => ("bootstrap", Command::Bootstrap),
            Stage::Finish => ("finish", Command::Finish),
        },
        Planned::Finish => ("finish", Command::Finish),
        Planned::Undo => ("undo", Command::Undo),
        Planned::Bootstrap => ("bootstrap", Command::Bootstrap),
    };
    let history = database.history().await?;
    let app = &context.settings()?.app;
    let decided = plan(&set, history.as_ref(), app, &command).map_err(Refusal::error)?;
    for warning in &decided.warnings {
        context.progress.say(warning);
    }
    let judgement = judged(
        context,
        &set,
        &mut database,
        history.as_ref(),
        (&command, &decided),
    )
    .await?;
    passed(&judgement)?;
    show(context, &judgement.unneeded());
    let style = context.terminal.style;
    let answer = report::answer(verb, &set, &decided, &judgement, style);
    let side = match command {
        Command::Finish => Side::Old,
        Command::Undo => Side::New,
        Command::Bootstrap | Command::Up(_) => return Ok(answer),
    };
    let history = history.as_ref();
    gate::shown(
        context,
        &set,
        &mut database,
        history,
        &decided,
        side,
        answer,
    )
    .await
}
