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
use std::future::poll_fn;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    // A look-up of a name that hangs is left behind.
    runtime.shutdown_background();
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
    let mut signals = Signals::listen();
    let running = commands::run(cli, &context);
    tokio::pin!(running);
    let exit = tokio::select! {
        result = &mut running => return result,
        exit = signals.next() => exit,
    };
    context.stop.set();
    let canceller = context.cancel.lock().ok().and_then(|slot| slot.clone());
    let cancel = async {
        if let Some(canceller) = canceller {
            context
                .progress
                .say("stopping: the statement that runs is cancelled; once more to leave at once");
            // Where the server cannot be told, the session's end tells it.
            let _ = canceller.cancel().await;
        }
        std::future::pending::<()>().await;
    };
    let left = tokio::select! {
        result = &mut running => Some(result),
        // The run goes on to its end meanwhile: it may be in a pause, which no server knows of.
        () = cancel => None,
        () = tokio::time::sleep(FAREWELL) => None,
        _ = signals.next() => None,
    };
    let mut error = match left {
        Some(Ok(answer)) => return Ok(answer),
        Some(Err(error)) => error,
        None => Error::failed("left without waiting any longer for the server")
            .now("the server rolls back a transaction that was open; what was recorded before it stays, and a statement outside transactions, as all of Cassandra's are, may still take effect")
            .next("the same command, which looks at what is there and continues"),
    };
    error.exit = exit;
    error.message = format!("stopped by a signal: {}", error.message);
    Err(error)
}

/// The signals that ask kmig to stop. One listener for the whole run: a second signal is not missed while the first one
/// is dealt with.
struct Signals(Vec<(Signal, Exit)>);

impl Signals {
    /// Listens. Without handlers the system's own default ends the process.
    fn listen() -> Self {
        let mut kinds = vec![
            (SignalKind::interrupt(), Exit::Interrupted),
            (SignalKind::terminate(), Exit::Terminated),
        ];
        // The terminal is gone. Under nohup that is not to count.
        if !ignores_hangup() {
            kinds.push((SignalKind::hangup(), Exit::Terminated));
        }
        let listening = kinds
            .into_iter()
            .filter_map(|(kind, exit)| Some((signal(kind).ok()?, exit)));
        Signals(listening.collect())
    }

    /// Waits for the next one.
    async fn next(&mut self) -> Exit {
        poll_fn(|cx| {
            for (signal, exit) in &mut self.0 {
                if let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                    return Poll::Ready(*exit);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Whether the process was started with SIGHUP ignored; known where the system has a /proc like Linux's.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
    mask.is_some_and(|mask| mask & 1 == 1)
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
