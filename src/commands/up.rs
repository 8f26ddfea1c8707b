//! `kmig up`.

use super::context::Context;
use super::engine::{Job, Override, lock_wait, run_on, waits};
use super::{bootstrap, finish};
use crate::backend::Backend;
use crate::cli::{RunArgs, UpArgs};
use crate::error::{Error, Result};
use crate::plan::state::{Due, SchemaState};
use crate::plan::version::Version;
use crate::plan::{App, Command, UpOptions};
use crate::report::Answer;
use crate::source::MigrationSet;
use crate::source::names::identity;

/// Expands what is new.
pub async fn run(context: &Context, up: &UpArgs, run: &RunArgs) -> Result<Answer> {
    let set = context.migrations()?;
    let job = Job {
        verb: "up",
        command: Command::Up(options(up, &set)?),
        dry_run: run.dry_run,
        wait: lock_wait(&run.lock_wait)?,
        overrides: overrides(up),
        only_before: None,
        gate: None,
        consent: &|_| Ok(()),
    };
    if (up.gate.assume_gone || up.gate.gate_wait.is_some()) && !up.finish_first {
        let flag = match up.gate.assume_gone {
            true => "--assume-gone",
            false => "--gate-wait",
        };
        return Err(
            Error::usage(format!("{flag} belongs to finish: up destroys nothing"))
                .next("kmig up, or kmig up --finish-first --assume-gone --reason TEXT"),
        );
    }
    let mut database = context.open().await?;
    database.leave_out(&up.without_node)?;
    let mut first = None;
    match stage(up, &set, &context.settings()?.app, &mut database).await? {
        Stage::Up => {}
        Stage::Bootstrap => {
            let bootstrap = Job {
                overrides: overrides(up),
                ..bootstrap::job(run)?
            };
            first = Some(run_on(context, &set, &mut database, &bootstrap).await?);
        }
        Stage::Finish => {
            let reason = up.reason.as_deref();
            let finish = finish::job(context, &up.gate, reason, run, false)?;
            let finish = Job {
                only_before: Some(job.command.clone()),
                ..finish.job()
            };
            first = Some(run_on(context, &set, &mut database, &finish).await?);
        }
    }
    match first {
        // What comes after can only be planned once this has been run.
        Some(answer) if run.dry_run => Ok(answer),
        Some(answer) => {
            let then = run_on(context, &set, &mut database, &job).await?;
            Ok(if then.did_nothing() { answer } else { then })
        }
        None => run_on(context, &set, &mut database, &job).await,
    }
}

/// What an `up` with its options begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The expand itself.
    Up,
    /// `--bootstrap` on a database without a complete bootstrap.
    Bootstrap,
    /// `--finish-first` while a finish is owed.
    Finish,
}

/// Looks what an `up` begins with.
pub async fn stage<B: Backend>(
    up: &UpArgs,
    set: &MigrationSet,
    app: &App,
    database: &mut B,
) -> Result<Stage> {
    if !up.bootstrap && !up.finish_first {
        return Ok(Stage::Up);
    }
    let history = database.history().await?;
    let due = SchemaState::compare(set, history.as_ref()).due();
    if up.bootstrap && due == Due::Bootstrap {
        return Ok(Stage::Bootstrap);
    }
    // Only where something new waits for it: a second run of the same command must not contract what the first has just
    // expanded.
    let command = Command::Up(options(up, set)?);
    let waits = waits(set, history.as_ref(), app, &command);
    Ok(if up.finish_first && waits {
        Stage::Finish
    } else {
        Stage::Up
    })
}

/// What was typed, as the engine takes it.
pub fn options(up: &UpArgs, set: &MigrationSet) -> Result<UpOptions> {
    let named = |text: &String| {
        let (id, name) = identity(text).map_err(Error::usage)?;
        match set.get(&id) {
            Some(found) if name.as_ref().is_none_or(|name| *name == found.name) => Ok(id),
            _ => Err(
                Error::usage(format!("there is no migration {text} among the files"))
                    .next("kmig list shows their names"),
            ),
        }
    };
    if let Some(version) = up
        .from_version
        .as_ref()
        .filter(|text| Version::read(text).is_none())
    {
        return Err(Error::usage(format!(
            "--from-version: {version:?} is no version; write dotted numbers such as 2.8"
        )));
    }
    Ok(UpOptions {
        to: up.to.as_ref().map(named).transpose()?,
        allow_late: up.allow_late.iter().map(named).collect::<Result<_>>()?,
        from_version: up.from_version.clone(),
    })
}

fn overrides(up: &UpArgs) -> Vec<Override> {
    let reason = up.reason.clone().unwrap_or_default();
    let late = up.allow_late.iter().map(|name| Override {
        kind: "allow-late",
        reason: format!("{name}: {reason}"),
    });
    let from = up.from_version.iter().map(|version| Override {
        kind: "from-version",
        reason: format!("{version}: {reason}"),
    });
    let without = up.without_node.iter().map(|node| Override {
        kind: "without-node",
        reason: format!("{node}: {reason}"),
    });
    late.chain(from).chain(without).collect()
}
