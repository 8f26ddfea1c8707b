//! What a person is told at the end of a walk: what was done, or how to go on.

use super::context::Context;
use super::engine::Job;
use crate::error::{Error, Exit, SAME};
use crate::execute::Report;
use crate::plan::Command;
use crate::plan::history::History;
use crate::plan::state::{Due, SchemaState};
use crate::report::status::next;
use crate::report::{Answer, count, object};
use crate::source::MigrationSet;
use serde_json::json;
use std::collections::BTreeSet;

/// An error of a run that says nothing of how to go on: the same command continues.
pub fn again(error: Error, verb: &str) -> Error {
    match (&error.next, error.exit) {
        (Some(next), _) => {
            let next = next.replace(SAME, &format!("kmig {verb}"));
            error.next(next)
        }
        (None, Exit::Failed) => {
            // What the machine or the session ran out of is no fault of the file.
            let machine = error.server.as_ref().is_some_and(|server| {
                ["08", "53", "57P", "58"]
                    .iter()
                    .any(|class| server.code.starts_with(class))
            });
            let place = error.place.as_ref().filter(|_| !machine);
            let place = place.map(|place| place.path.clone());
            let mend = place.map_or_else(String::new, |path| format!("mend {path}, then "));
            error.next(format!(
                "{mend}kmig {verb}, which continues where it stopped"
            ))
        }
        (None, _) => error.next(format!("kmig {verb}, which continues where it stopped")),
    }
}

/// What a person is told at the end: what was run, or that there was nothing to run.
pub fn told(
    job: &Job<'_>,
    ran: Option<&Report>,
    set: &MigrationSet,
    history: Option<&History>,
    context: &Context,
) -> Answer {
    let due = SchemaState::compare(set, history).due();
    let Some(report) = ran else {
        let what = match job.command {
            Command::Bootstrap => "Already bootstrapped: every migration is executed.",
            Command::Up(_) => "Nothing new.",
            Command::Finish => "Nothing is pending.",
            Command::Undo => "Nothing to take back: no batch is pending.",
        };
        return answer(what, &Report::default(), due, context);
    };
    let what = match job.command {
        Command::Bootstrap => "Bootstrapped",
        Command::Up(_) => "Expanded",
        Command::Finish => "Finished",
        Command::Undo => "Taken back",
    };
    let migrations: BTreeSet<&String> = report.parts.iter().map(|(name, _)| name).collect();
    let what = if report.parts.is_empty() {
        format!("{what}: nothing had to be run; the application version is recorded.")
    } else {
        format!(
            "{what} {}: {}.",
            count(migrations.len(), "migration"),
            count(report.statements, "statement")
        )
    };
    answer(&what, report, due, context)
}

fn answer(what: &str, report: &Report, due: Due, context: &Context) -> Answer {
    let style = context.terminal.style;
    let text = match due {
        Due::Nothing => what.to_string(),
        due => format!("{what}\n{}", next(due, style)),
    };
    let parts: Vec<_> = report
        .parts
        .iter()
        .map(|(migration, part)| json!({ "migration": migration, "part": part.name() }))
        .collect();
    Answer {
        exit: Exit::Done,
        text,
        document: object(json!({
            "message": what,
            "parts": parts,
            "statements": report.statements,
            "due": { "code": due.exit() as u8, "command": due.command() },
        })),
    }
}
