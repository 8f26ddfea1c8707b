//! An error as a frightened person reads it: what happened, where, what is now true, what to run next. Pure.

use super::style::Style;
use crate::error::{Diagnostic, Error};
use crate::place::Place;
use serde_json::{Value, json};
use std::fmt::Write;

/// The error as text, several lines.
pub fn text(error: &Error, style: Style) -> String {
    let mut out = String::new();
    for diagnostic in &error.diagnostics {
        out += &problem(diagnostic, style);
        out.push('\n');
    }
    match &error.place {
        Some(place) if place.at.is_some() => {
            let mut lines = error.message.lines();
            let first = lines.next().unwrap_or_default();
            out += &place.render("", first, style.colour);
            for line in lines {
                let _ = write!(out, "\n{line}");
            }
        }
        Some(place) => {
            let _ = write!(
                out,
                "{} {}\n --> {}",
                style.red("error:"),
                error.message,
                place.path
            );
        }
        None => {
            let _ = write!(out, "{} {}", style.red("error:"), error.message);
        }
    }
    let mut line = |label: &str, text: &str| {
        let text = text.replace('\n', "\n            ");
        let _ = write!(out, "\n  {} {text}", style.bold(&format!("{label:>8}:")));
    };
    if let Some(server) = &error.server {
        line(if server.cql { "code" } else { "sqlstate" }, &server.code);
        for (label, text) in [
            ("detail", &server.detail),
            ("hint", &server.hint),
            ("context", &server.context),
        ] {
            if let Some(text) = text {
                line(label, text);
            }
        }
    }
    if let Some(now) = &error.now {
        line("now", now);
    }
    if let Some(next) = &error.next {
        line("next", next);
    }
    out
}

/// One thing that is wrong, with the line that it stands on.
pub fn problem(diagnostic: &Diagnostic, style: Style) -> String {
    let mut out = match &diagnostic.place {
        Some(place) if place.at.is_some() && diagnostic.warning => {
            place.render_warning(&diagnostic.message, style.colour)
        }
        Some(place) if place.at.is_some() => place.render("", &diagnostic.message, style.colour),
        Some(place) => format!(
            "{} {}\n --> {}",
            style.red("error:"),
            diagnostic.message,
            place.path
        ),
        None => format!("{} {}", style.red("error:"), diagnostic.message),
    };
    if let Some(help) = &diagnostic.help {
        let help = help.replace('\n', "\n        ");
        let _ = write!(out, "\n  {} {help}", style.bold("help:"));
    }
    out.push('\n');
    out
}

fn place(place: Option<&Place>) -> Value {
    match place {
        None => Value::Null,
        Some(place) => json!({
            "path": place.path,
            "line": place.at.as_ref().map(|excerpt| excerpt.position.line),
            "column": place.at.as_ref().map(|excerpt| excerpt.position.column),
        }),
    }
}

/// Things that are wrong, as JSON.
pub fn problems(diagnostics: &[Diagnostic]) -> Vec<Value> {
    let found = diagnostics.iter().map(|found| {
        json!({
            "message": found.message,
            "place": place(found.place.as_ref()),
            "help": found.help,
            "rule": found.rule,
            "level": if found.warning { "warning" } else { "error" },
        })
    });
    found.collect()
}

/// The error as its JSON document.
pub fn document(error: &Error) -> Value {
    let server = error.server.as_ref().map(|server| {
        json!({
            (if server.cql { "code" } else { "sqlstate" }): server.code,
            "detail": server.detail,
            "hint": server.hint,
            "context": server.context,
        })
    });
    let problems = problems(&error.diagnostics);
    let mut document = json!({
        "exit": error.exit as u8,
        "error": {
            "code": error.exit.word(),
            "message": error.message,
            "place": place(error.place.as_deref()),
            "now": error.now,
            "next": error.next,
            "server": server,
            "problems": problems,
        }
    });
    if let Some(gate) = &error.gate {
        document["gate"] = super::gate::document(gate);
    }
    document
}
