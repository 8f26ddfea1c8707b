//! `status` and `list`: the page that people look at most. Pure.

use super::style::Style;
use super::table::{Cell, render};
use super::{Answer, count};
use crate::backend::{Holder, Leftover};
use crate::error::Exit;
use crate::plan::history::{Applied, History, Origin};
use crate::plan::state::{Due, Row, SchemaState};
use serde_json::{Value, json};
use std::fmt::Write;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const MINUTES: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]");

/// How wide the column of names in `list` may be.
const LIST_NAME_MAX: usize = 48;

/// What `status` shows beside the migrations.
#[derive(Debug, Default)]
pub struct Page<'a> {
    /// The database's name.
    pub database: &'a str,
    /// The application's name and version of the files.
    pub app: Option<String>,
    /// What is recorded.
    pub history: Option<&'a History>,
    /// Who holds the lock.
    pub holder: Option<Holder>,
    /// What killed runs left behind.
    pub leftovers: Vec<Leftover>,
    /// What is odd but no error.
    pub warnings: &'a [String],
    /// Width of the terminal, where there is one.
    pub width: Option<u16>,
}

/// The page of `kmig status`.
pub fn status(state: &SchemaState, page: &Page<'_>, exit_code: bool, style: Style) -> Answer {
    let due = state.due();
    let mut text = format!("{}\n", heading(page, style));
    for leftover in &page.leftovers {
        let _ = write!(
            text,
            "\n{} {}\n",
            style.red("!"),
            left_behind(leftover, due)
        );
    }
    if state.rows.is_empty() {
        text += "\nThere are no migrations yet.\n";
    } else {
        let _ = write!(text, "\n{}\n", table(state, page.width, style));
    }
    for row in state.rows.iter() {
        for line in details(row) {
            let _ = write!(text, "\n{} {}: {line}", style.red("!"), row.label());
        }
    }
    for warning in page.warnings {
        let _ = write!(text, "\n{} {warning}", style.yellow("!"));
    }
    if let Some(holder) = &page.holder {
        let _ = write!(
            text,
            "\n{} {holder} {}",
            style.yellow("!"),
            if holder.gone {
                "still holds the lock; the next executor ends it"
            } else {
                "is at work"
            }
        );
    }
    let next = match &page.holder {
        // What looks interrupted is what that one is in the middle of.
        Some(holder) if !holder.gone && due.command().is_some() => {
            format!("Next: wait for its end, then {}", style.cyan("kmig status"))
        }
        _ => next(due, style),
    };
    let _ = write!(text, "\n{}\n{next}", summary(state));
    answer(state, page, exit_code, text)
}

/// The lines of `kmig list`: name, state, batch.
pub fn list(state: &SchemaState, page: &Page<'_>, exit_code: bool, style: Style) -> Answer {
    // One long name does not push the states of all others off the screen.
    let lengths = state.rows.iter().map(|row| row.label().chars().count());
    let width = lengths.max().unwrap_or(0).min(LIST_NAME_MAX);
    let lines: Vec<String> = state
        .rows
        .iter()
        .map(|row| {
            format!(
                "{:width$}  {}",
                row.label(),
                style.state(row, &row_state(row)),
            )
        })
        .collect();
    answer(state, page, exit_code, lines.join("\n"))
}

fn answer(state: &SchemaState, page: &Page<'_>, exit_code: bool, text: String) -> Answer {
    let due = state.due();
    let migrations: Vec<Value> = state.rows.iter().map(migration).collect();
    let document = json!({
        "database": page.database,
        "bootstrapped": state.bootstrapped,
        "app_version": page.history.and_then(|history| history.app_version.clone()),
        "batch": page.history.map(|history| history.batch),
        "migrations": migrations,
        "lock": page.holder,
        "invalid_indexes": page.leftovers,
        "due": { "code": due.exit() as u8, "command": due.command() },
        "warnings": page.warnings,
    });
    Answer {
        exit: if exit_code { due.exit() } else { Exit::Done },
        text: text.trim_end().to_string(),
        document: super::object(document),
    }
}

/// What stands first, since the application suffers from it.
fn left_behind(leftover: &Leftover, due: Due) -> String {
    let Leftover {
        index,
        table,
        unique,
        migration,
        part,
        since,
    } = leftover;
    let harm = match unique {
        true => "writes of the application may fail because of it (23505)",
        false => "it costs time at every write, and serves no reading",
    };
    let next = match due.command() {
        Some(command) => format!("{command} drops it and builds it again"),
        None => format!("DROP INDEX CONCURRENTLY {index} ends that"),
    };
    format!(
        "the index {index} on {table} is INVALID: its build by {migration} {part} was cut off, begun {since};\n  {harm}; {next}"
    )
}

fn heading(page: &Page<'_>, style: Style) -> String {
    let mut words = vec![style.bold(page.database)];
    if let Some(app) = &page.app {
        words.push(app.clone());
    }
    if let Some(history) = page.history {
        let version = history.app_version.as_deref();
        words.push(version.map_or_else(
            || "no application version recorded".to_string(),
            |version| format!("the database is at version {version}"),
        ));
    }
    words.join(&style.dim(" · "))
}

fn table(state: &SchemaState, width: Option<u16>, style: Style) -> String {
    let titles = ["migration", "state", "batch", "since (UTC)", "by", ""];
    let mut rows: Vec<Vec<Cell>> = vec![titles.map(|it| Cell::new(it, |it| style.dim(it))).into()];
    for row in &state.rows {
        let applied = row.applied.as_ref().filter(|applied| !applied.not_begun());
        let when = applied.and_then(|applied| applied.finished.or(applied.started));
        rows.push(vec![
            Cell::plain(row.label()),
            Cell::new(row_state(row), |it| style.state(row, it)),
            Cell::plain(applied.map_or_else(String::new, |applied| applied.batch.to_string())),
            Cell::plain(when.map_or_else(String::new, minutes)),
            Cell::plain(applied.map_or_else(String::new, |applied| applied.by.clone())),
            Cell::new(applied.map_or_else(String::new, remark), |it| style.dim(it)),
        ]);
    }
    // By, since, batch: what is owed is told last.
    render(&rows, width.map(usize::from), &[4, 3, 2])
}

/// The state's word, with that of a disagreement.
fn row_state(row: &Row) -> String {
    match &row.disagreement {
        Some(found) if row.applied.is_some() => format!("{}, {}", row.word(), found.word()),
        Some(found) => found.word().to_string(),
        None => row.word().to_string(),
    }
}

fn remark(applied: &Applied) -> String {
    match applied.progress.columns() {
        (_, Some(part), done) => format!("{part}: {} done", count(done, "statement")),
        ("pending", _, _) => "finish owed".to_string(),
        _ if applied.origin == Origin::Bootstrap => "bootstrap".to_string(),
        _ if applied.origin == Origin::Adopt => "adopted".to_string(),
        _ => String::new(),
    }
}

fn details(row: &Row) -> Vec<String> {
    row.disagreement
        .as_ref()
        .map(crate::plan::state::Disagreement::details)
        .unwrap_or_default()
}

fn summary(state: &SchemaState) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in &state.rows {
        match counts.iter_mut().find(|(word, _)| *word == row.word()) {
            Some((_, number)) => *number += 1,
            None => counts.push((row.word(), 1)),
        }
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(word, number)| format!("{number} {word}"))
        .collect();
    let disagreeing: Vec<String> = ["changed", "missing", "late", "ahead"]
        .into_iter()
        .filter_map(|kind| {
            let found = |row: &&Row| {
                row.disagreement
                    .as_ref()
                    .is_some_and(|it| it.word() == kind)
            };
            match state.rows.iter().filter(found).count() {
                0 => None,
                number => Some(format!("{number} {kind}")),
            }
        })
        .collect();
    let words = [words.join(", "), disagreeing.join(", ")];
    words.join("; ").trim_end_matches("; ").to_string()
}

/// What to run next, one line.
pub fn next(due: Due, style: Style) -> String {
    let (command, why) = match due {
        Due::Bootstrap => ("kmig bootstrap", "this database has no complete bootstrap"),
        Due::Resolve => (
            "kmig check --db",
            "files and database disagree, see above; nothing runs before that is settled",
        ),
        Due::Ahead => (
            "the newer version's kmig",
            "the database belongs to a newer version of the files",
        ),
        Due::ResumeUp => (
            "kmig up",
            "an up was interrupted; it goes on where it stopped",
        ),
        Due::ResumeUndo => (
            "kmig undo",
            "an undo was interrupted; it goes on where it stopped",
        ),
        Due::Finish => (
            "kmig finish",
            "once the old version of the application is gone",
        ),
        Due::Up => ("kmig up", "there are new migrations"),
        Due::Nothing => return style.green("Nothing to do: everything is executed."),
    };
    format!(
        "Next: {}  {}",
        style.cyan(command),
        style.dim(&format!("({why})"))
    )
}

fn migration(row: &Row) -> Value {
    let applied = row.applied.as_ref().filter(|applied| !applied.not_begun());
    let (part, done) = applied.map_or((None, 0), |applied| {
        let (_, part, done) = applied.progress.columns();
        (part.map(crate::source::PartKind::name), done)
    });
    let disagreement = row.disagreement.as_ref();
    json!({
        "subsystem": row.id.subsystem,
        "number": row.id.number,
        "name": row.name,
        "state": row.word(),
        "disagreement": disagreement.map(crate::plan::state::Disagreement::word),
        "details": details(row),
        "part": part,
        "statements_done": done,
        "batch": applied.map(|applied| applied.batch),
        "origin": applied.map(|applied| applied.origin.word()),
        "app_version": applied.and_then(|applied| applied.app_version.clone()),
        "started_at": applied.and_then(|applied| applied.started).map(rfc3339),
        "finished_at": applied.and_then(|applied| applied.finished).map(rfc3339),
        "by": applied.map(|applied| applied.by.clone()),
    })
}

fn minutes(time: OffsetDateTime) -> String {
    time.format(MINUTES).unwrap_or_default()
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}
