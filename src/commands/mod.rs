//! One file per command, each a straight list of calls: read, decide, do, tell.

mod accept;
mod adopt;
mod bootstrap;
mod came_back;
mod check;
mod config;
mod context;
mod engine;
mod export;
mod finish;
mod gate;
mod import;
mod init;
mod lock;
mod manual;
mod new;
mod plan;
mod reseal;
mod reset;
mod safety;
mod status;
mod told;
mod undo;
mod up;
mod verify;
mod wait;

pub use context::{Context, Terminal};

use crate::cli::{Cli, LockVerb, Verb};
use crate::error::Result;
use crate::report::Answer;
use crate::settings::Flags;
use crate::source::Dialect;

/// Runs the command that was typed.
pub async fn run(cli: &Cli, context: &Context) -> Result<Answer> {
    match &cli.verb {
        Verb::Init { directory } => {
            // init needs no settings, but an url that is there tells which files to write.
            let settings = context.settings.as_ref().ok();
            let dialect = settings.and_then(|settings| settings.dialect().ok());
            let dialect = dialect.unwrap_or(Dialect::Postgres);
            init::run(directory, cli.global.config.as_deref(), dialect)
        }
        Verb::New {
            name,
            subsystem,
            parts,
        } => new::run(context, name, subsystem, parts),
        Verb::Bootstrap { run } => bootstrap::run(context, run).await,
        Verb::Up { up, run } => up::run(context, up, run).await,
        Verb::Finish { gate, reason, run } => {
            finish::run(context, gate, reason.as_deref(), run).await
        }
        Verb::Undo { gate, reason, run } => undo::run(context, gate, reason.as_deref(), run).await,
        Verb::Status { exit_code } => status::status(context, *exit_code).await,
        Verb::List { exit_code } => status::list(context, *exit_code).await,
        Verb::Plan { command, up } => plan::run(context, *command, up).await,
        Verb::Check(args) => check::run(context, args).await,
        Verb::Wait {
            awaited,
            require_version,
            timeout,
        } => wait::run(context, *awaited, require_version.as_deref(), timeout).await,
        Verb::Accept {
            name,
            reason,
            lock_wait,
        } => accept::run(context, name, reason, lock_wait).await,
        Verb::Adopt(args) => adopt::run(context, args).await,
        Verb::Lock { verb } => match verb {
            LockVerb::Show => lock::show(context).await,
            LockVerb::Break { reason } => lock::end(context, reason.as_deref()).await,
        },
        Verb::Import(args) => import::run(context, args).await,
        Verb::Verify(args) => verify::run(context, args).await,
        Verb::Reseal(args) => reseal::run(context, args).await,
        Verb::Reset(args) => reset::run(context, args).await,
        Verb::Export(args) => export::run(context, args).await,
        Verb::Config => config::run(context),
        Verb::Completions { shell } => Ok(manual::completions(*shell)),
        Verb::Man => manual::man(),
    }
}

/// What the command line sets in the configuration.
pub fn flags(cli: &Cli) -> Flags {
    let run = match &cli.verb {
        Verb::Bootstrap { run }
        | Verb::Up { run, .. }
        | Verb::Finish { run, .. }
        | Verb::Undo { run, .. } => Some(run),
        _ => None,
    };
    let reset = match &cli.verb {
        Verb::Reset(args) => Some(args),
        _ => None,
    };
    let lock_timeout = reset.and_then(|reset| reset.lock_timeout.clone());
    let ddl_deadline = reset.and_then(|reset| reset.ddl_deadline.clone());
    Flags {
        config: cli.global.config.clone(),
        url: cli.global.url.clone(),
        lock_timeout: lock_timeout.or(run.and_then(|run| run.lock_timeout.clone())),
        ddl_deadline: ddl_deadline.or(run.and_then(|run| run.ddl_deadline.clone())),
        reconnect: run.and_then(|run| run.reconnect.clone()),
    }
}
