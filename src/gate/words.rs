//! The gate in words for people. Pure.

use super::{Client, Line, Side, Standing, Verdict};
use crate::error::{Error, Exit};
use std::collections::BTreeMap;
use std::fmt::Write;

/// So many are listed by what tells them apart.
const LISTED: usize = 5;

/// So many lines are shown of who is in the way.
const SHOWN: usize = 12;

/// Clients that are alike in one line: `4 × gateway/1.0 at 10.0.0.7 as app (pid 1, pid 2, …): why`.
pub(super) fn grouped(why: &str, clients: &[&Client]) -> Vec<String> {
    let mut alike: BTreeMap<_, Vec<&Client>> = BTreeMap::new();
    for client in clients {
        let key = (&client.announced, &client.role, &client.host, &client.place);
        alike.entry(key).or_default().push(client);
    }
    let lines = alike
        .into_iter()
        .map(|((announced, role, host, place), of)| {
            let name = match announced.is_empty() {
                true => "(no name)",
                false => announced,
            };
            let mut line = match of.len() {
                1 => name.to_string(),
                n => format!("{n} × {name}"),
            };
            // Writing to a String cannot fail.
            if let Some(host) = host {
                let _ = write!(line, " from {host}");
            }
            if let Some(role) = role {
                let _ = write!(line, " as {role}");
            }
            if !place.is_empty() {
                let _ = write!(line, ", at {place}");
            }
            let ids: Vec<String> = of
                .iter()
                .take(LISTED)
                .map(|client| match &client.state {
                    Some(state) => format!("{}, {state}", client.id),
                    None => client.id.clone(),
                })
                .filter(|id| !id.is_empty())
                .collect();
            if !ids.is_empty() {
                let more = if of.len() > LISTED { "; …" } else { "" };
                let _ = write!(line, " ({}{more})", ids.join("; "));
            }
            if !why.is_empty() {
                let _ = write!(line, ": {why}");
            }
            line
        });
    lines.collect()
}

/// What clients announce, with how many do: `4 × gateway/2.0`.
pub(super) fn named(clients: &[&Client]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for client in clients {
        *counts.entry(&client.announced).or_default() += 1;
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|(name, count)| match name.is_empty() {
            true => format!("{count} × (no name)"),
            false => format!("{count} × {name}"),
        })
        .collect();
    words.join(", ")
}

/// One line as text: its standing, its evidence, and who is in the way below it.
pub fn headline(line: &Line) -> String {
    let mut text = line.evidence.clone();
    for who in line.who.iter().take(SHOWN) {
        let _ = write!(text, "\n  {who}");
    }
    if line.who.len() > SHOWN {
        let _ = write!(text, "\n  … and {} more", line.who.len() - SHOWN);
    }
    text
}

/// The error of a closed gate. Nothing destructive was run since it was last open.
pub fn closed(side: Side, verdict: Verdict) -> Error {
    let mut message = "the gate is closed".to_string();
    let mut next = Vec::new();
    for line in &verdict.lines {
        if line.standing == Standing::Closed {
            let _ = write!(message, "\n  {}", headline(line).replace('\n', "\n  "));
            next.extend(line.next.clone());
        }
    }
    let (now, again) = match side {
        Side::Old => (
            "nothing destructive was run; the migrations are pending as before",
            "then kmig finish (--gate-wait 10m waits for it); against the evidence: kmig finish --assume-gone --reason TEXT",
        ),
        Side::New => (
            "nothing was taken back",
            "then kmig undo (--gate-wait 10m waits for it); against the evidence: kmig undo --assume-gone --reason TEXT",
        ),
    };
    next.push(again.to_string());
    Error {
        gate: Some(Box::new(verdict)),
        ..Error::new(Exit::Refused, message)
            .now(now)
            .next(next.join("\n"))
    }
}
