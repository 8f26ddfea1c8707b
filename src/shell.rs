//! The program around the commands: terminal, signals, the runtime, and the only place that prints results.

use crate::backend::Stop;
use crate::cli::Cli;
use crate::commands::{self, Context, Terminal};
use crate::error::{Error, Exit, Result};
use crate::report::progress::Progress;
use crate::report::style::Style;
use crate::report::{Answer, error as report};
use crate::settings::Settings;
use clap::error::ErrorKind;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long a cancelled command may take to roll back and to say what is left.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs a parsed command line and prints its answer.
pub fn run(cli: &Cli) -> ExitCode {
    logs(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = Error::failed(format!("the runtime could not be started: {error}"));
            return print(Err(error), cli.global.json);
        }
    };
    let result = runtime.block_on(command(cli));
    print(result, cli.global.json)
}

/// Prints what clap has to say; asked-for help is no error, and `--json` holds for mistakes too.
pub fn usage(error: &clap::Error) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && !asked {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        return print(Err(Error::usage(message).next("kmig --help")), true);
    }
    // A reader that has gone is no failure.
    let _ = error.print();
    ExitCode::from(if asked { 0 } else { Exit::Usage as u8 })
}

async fn command(cli: &Cli) -> Result<Answer> {
    let colour = |terminal: bool| Style {
        colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let (out, err) = (std::io::stdout(), std::io::stderr());
    // Terminals without a window, of docker exec -t for instance, say that they are 0 wide.
    let width = console::Term::stdout()
        .size_checked()
        .map(|(_, columns)| columns)
        .filter(|&columns| out.is_terminal() && columns > 0);
    let context = Context {
        settings: Settings::load(&commands::flags(cli), &|name| std::env::var(name).ok()),
        global: cli.global.clone(),
        terminal: Terminal {
            asks: std::io::stdin().is_terminal() && err.is_terminal(),
            style: colour(out.is_terminal() && !cli.global.json),
            width,
        },
        progress: Progress::new(
            err.is_terminal(),
            cli.global.quiet,
            cli.global.verbose > 0,
            colour(err.is_terminal()),
        ),
        cancel: Arc::new(Mutex::new(None)),
        stop: Stop::default(),
    };
    let running = commands::run(cli, &context);
    tokio::pin!(running);
    let exit = tokio::select! {
        result = &mut running => return result,
        exit = stopped() => exit,
    };
    context.stop.set();
    let canceller = context.cancel.lock().ok().and_then(|slot| slot.clone());
    if let Some(canceller) = canceller {
        context
            .progress
            .say("stopping: the statement that runs is cancelled; once more to leave at once");
        // Where the server cannot be told, the session's end tells it.
        let _ = tokio::time::timeout(FAREWELL, canceller.cancel()).await;
    }
    let left = tokio::select! {
        result = tokio::time::timeout(FAREWELL, &mut running) => result.ok(),
        _ = stopped() => None,
    };
    let mut error = match left {
        Some(Ok(answer)) => return Ok(answer),
        Some(Err(error)) => error,
        None => Error::failed("left at once; the server ends the session and rolls back"),
    };
    error.exit = exit;
    error.message = format!("stopped by a signal: {}", error.message);
    Err(error)
}

/// Waits for a signal that asks kmig to stop.
async fn stopped() -> Exit {
    let (interrupt, terminate) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        },
        // Without handlers the system's own default ends the process.
        _ => std::future::pending().await,
    }
}

fn logs(verbose: u8) {
    if verbose == 0 {
        return;
    }
    let level = if verbose == 1 {
        "kmig=debug"
    } else {
        "kmig=trace,tokio_postgres=debug,refinery_core=debug"
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // A second subscriber in one process is the only way to fail, and main sets one.
    let _ = subscriber.try_init();
}

/// Prints an answer or an error, and gives its exit code. Closed pipes end quietly.
fn print(result: Result<Answer>, json: bool) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let style = Style {
        colour: err.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let (exit, document) = match &result {
        Ok(answer) => (answer.exit, answer.json()),
        Err(error) => (error.exit, report::document(error)),
    };
    let _ = match &result {
        _ if json => writeln!(out, "{document:#}"),
        Ok(answer) if answer.text.is_empty() => Ok(()),
        Ok(answer) => writeln!(out, "{}", answer.text),
        Err(error) => writeln!(err, "{}", report::text(error, style)),
    };
    ExitCode::from(exit as u8)
}
