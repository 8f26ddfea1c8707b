//! `kmig wait`.

use super::context::Context;
use crate::backend::{Backend, Database};
use crate::cli::Awaited;
use crate::error::{Error, Exit, Result};
use crate::plan::below_floor;
use crate::plan::history::History;
use crate::plan::state::{Due, SchemaState};
use crate::plan::version::Version;
use crate::report::Answer;
use crate::settings::duration;
use crate::source::MigrationSet;
use std::time::{Duration, Instant};

/// How long the pause between two looks grows at most.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Waits, without a lock and without writing, until an `up` or a `finish` has been done by somebody else. A version that is
/// `required` must fit the schema.
pub async fn run(
    context: &Context,
    awaited: Option<Awaited>,
    required: Option<&str>,
    timeout: &str,
) -> Result<Answer> {
    let timeout =
        duration::read(timeout).map_err(|why| Error::usage(format!("--timeout: {why}")))?;
    if let Some(text) = required.filter(|text| Version::read(text).is_none()) {
        return Err(Error::usage(format!(
            "--require-version: {text:?} is no version; write dotted numbers such as 3.1"
        )));
    }
    // Whether a version fits can be asked where there are no files.
    let set = match awaited {
        Some(_) => context.migrations()?,
        None => MigrationSet::default(),
    };
    let own = context.settings()?.app.version.as_deref();
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(100);
    let mut database = None;
    let mut told = None;
    loop {
        let looked = look(context, &set, &mut database).await;
        let left = deadline.saturating_duration_since(Instant::now());
        match looked {
            Ok((state, history)) => {
                fits(&state, history.as_ref(), required, own)?;
                let met = match awaited {
                    Some(awaited) => met(&state, awaited),
                    None => history.is_some(),
                };
                if met {
                    return Ok(done(context, &state, awaited, required));
                }
                if left.is_zero() {
                    return Err(late(&state, awaited, timeout));
                }
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
) -> Result<(SchemaState, Option<History>)> {
    let open = match database {
        Some(open) => open,
        None => database.insert(context.open().await?),
    };
    let history = open.history().await?;
    Ok((SchemaState::compare(set, history.as_ref()), history))
}

/// Refuses a version that a finish has left behind: the one that was asked for, and on a database that is ahead the one of
/// the files (contract §6.5). No waiting mends that.
fn fits(
    state: &SchemaState,
    history: Option<&History>,
    required: Option<&str>,
    own: Option<&str>,
) -> Result<()> {
    let Some(history) = history else {
        return Ok(());
    };
    let ahead = state.ahead().next().is_some();
    let below = match required {
        Some(required) => below_floor(Some(required), history),
        None if ahead => below_floor(own, history),
        None => None,
    };
    below.map_or(Ok(()), |below| Err(below.error()))
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

fn done(
    context: &Context,
    state: &SchemaState,
    awaited: Option<Awaited>,
    required: Option<&str>,
) -> Answer {
    if awaited.is_some() && state.due() == Due::Ahead {
        context
            .progress
            .say("the database is ahead of these files; all of these files are applied");
    }
    let mut words: Vec<String> = awaited
        .map(|awaited| match awaited {
            Awaited::Up => "Every migration is expanded.",
            Awaited::Finish => "Every migration is executed.",
        })
        .map(str::to_string)
        .into_iter()
        .collect();
    words.extend(required.map(|version| format!("Version {version} fits the schema.")));
    Answer::line(words.join(" "))
}

fn late(state: &SchemaState, awaited: Option<Awaited>, timeout: Duration) -> Error {
    let due = state.due();
    let awaited = match awaited {
        Some(Awaited::Up) => "up",
        Some(Awaited::Finish) => "finish",
        None => "a bootstrap",
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
