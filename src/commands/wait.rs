//! `kmig wait`.

use super::context::Context;
use crate::backend::{Backend, Database};
use crate::cli::Awaited;
use crate::error::{Error, Exit, Result};
use crate::plan::state::{Due, SchemaState};
use crate::report::Answer;
use crate::settings::duration;
use crate::source::MigrationSet;
use std::time::{Duration, Instant};

/// How long the pause between two looks grows at most.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Waits, without a lock and without writing, until an `up` or a `finish` has been done by somebody else.
pub async fn run(context: &Context, awaited: Awaited, timeout: &str) -> Result<Answer> {
    let timeout =
        duration::read(timeout).map_err(|why| Error::usage(format!("--timeout: {why}")))?;
    let set = context.migrations()?;
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(100);
    let mut database = None;
    let mut told = None;
    loop {
        let looked = look(context, &set, &mut database).await;
        let left = deadline.saturating_duration_since(Instant::now());
        match looked {
            Ok(state) if met(&state, awaited) => return Ok(done(context, &state, awaited)),
            Ok(state) if left.is_zero() => return Err(late(&state, awaited, timeout)),
            Ok(state) => {
                let due = state.due();
                if told != Some(due) {
                    let command = due.command().unwrap_or("a person: see kmig status");
                    context.progress.say(&format!("waiting for {command}"));
                    told = Some(due);
                }
            }
            // A server that is starting, or restarts, is what an init container waits for too.
            Err(error) if error.exit == Exit::Failed && !left.is_zero() => database = None,
            Err(error) => return Err(error),
        }
        context.stop.pause(pause.min(left)).await?;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn look(
    context: &Context,
    set: &MigrationSet,
    database: &mut Option<Database>,
) -> Result<SchemaState> {
    let open = match database {
        Some(open) => open,
        None => database.insert(context.open().await?),
    };
    let history = open.history().await?;
    Ok(SchemaState::compare(set, history.as_ref()))
}

/// Whether what is waited for is so. On a database that is ahead, an old pod may live as long as all its own files are
/// applied.
fn met(state: &SchemaState, awaited: Awaited) -> bool {
    match (state.due(), awaited) {
        (Due::Nothing, _) | (Due::Finish, Awaited::Up) => true,
        (Due::Ahead, Awaited::Up) => state.not_expanded().next().is_none(),
        _ => false,
    }
}

fn done(context: &Context, state: &SchemaState, awaited: Awaited) -> Answer {
    if state.due() == Due::Ahead {
        context
            .progress
            .say("the database is ahead of these files; all of these files are applied");
    }
    Answer::line(match awaited {
        Awaited::Up => "Every migration is expanded.",
        Awaited::Finish => "Every migration is executed.",
    })
}

fn late(state: &SchemaState, awaited: Awaited, timeout: Duration) -> Error {
    let due = state.due();
    let awaited = match awaited {
        Awaited::Up => "up",
        Awaited::Finish => "finish",
    };
    let error = Error::new(
        due.exit(),
        format!(
            "waited {} s for {awaited}, and it is not done",
            timeout.as_secs_f64()
        ),
    )
    .now("nothing was changed: wait only looks");
    error.next(due.command().unwrap_or("kmig status"))
}
