//! The rules about locks, scans and rewrites, proved by observation: what each example of a rule does on real servers,
//! Postgres 13 to 18, against what the rule's `seen` says of it. The table of rules is the list of cases.
//!
//! ```text
//! setup ─▶ begin; trips; ─▶ pg_locks, file numbers, counts of scans ─▶ rollback     what runs in a transaction
//! setup ─▶ a second session stands in the way ─▶ pg_locks of who waits ─▶ way free   what refuses one
//! ```
//!
//! The safe forms are run as well: none may scan or rewrite a relation under a lock that writing waits for.

mod place;
mod statements;
mod watch;

use std::fmt::Write;

use crate::support::server::{Server, ServerOptions};
use kmig::safety::rule::{Example, rules};
use kmig::source::{Dialect, PartKind};
use place::{Place, split};
use watch::Facts;

#[test]
fn on_postgres_13() {
    observe(13);
}

#[test]
fn on_postgres_14() {
    observe(14);
}

#[test]
fn on_postgres_15() {
    observe(15);
}

#[test]
fn on_postgres_16() {
    observe(16);
}

#[test]
fn on_postgres_17() {
    observe(17);
}

#[test]
fn on_postgres_18() {
    observe(18);
}

fn observe(major: u32) {
    let servers = Server::versions();
    let Some((_, programs)) = servers.into_iter().find(|(found, _)| *found == major) else {
        return;
    };
    let server = Server::start(&ServerOptions {
        conf: vec![
            "max_connections = 20".into(),
            "shared_buffers = 16MB".into(),
        ],
        programs: Some(programs),
        ..ServerOptions::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let different = runtime.block_on(all(&server, major));
    assert!(different.is_empty(), "Postgres {major}:\n{different}");
}

/// What is not as the rules say.
async fn all(server: &Server, major: u32) -> String {
    let place = Place::new(server).await;
    let mut different = String::new();
    for rule in rules(Dialect::Postgres) {
        for example in rule.examples {
            if !example.fits(major) {
                continue;
            }
            for wrong in one(&place, example).await {
                // Writing to a String cannot fail.
                let _ = writeln!(different, "{}: {}\n    {wrong}", rule.name, example.trips);
            }
        }
    }
    for statement in statements::all() {
        if statement.since > major {
            continue;
        }
        let claimed = statement.claimed();
        let seen = observed(&place, &statement.setup, &statement.sql, &claimed).await;
        if let Some(wrong) = compared(&claimed, seen) {
            let _ = writeln!(different, "{}\n    {wrong}", statement.sql);
        }
    }
    different
}

/// What servers show otherwise than it is claimed.
fn compared(claimed: &Facts, seen: Result<Facts, String>) -> Option<String> {
    match seen {
        Ok(facts) if facts == *claimed => None,
        Ok(facts) => Some(format!("claimed {claimed}\n    seen    {facts}")),
        Err(error) => Some(error),
    }
}

async fn one(place: &Place<'_>, example: &Example) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(seen) = &example.seen {
        let claimed = Facts::from(seen);
        let seen = observed(place, example.setup, example.trips, &claimed).await;
        wrong.extend(compared(&claimed, seen));
    }
    if let Err(error) = safe_form(place, example).await {
        wrong.push(error);
    }
    wrong
}

/// What the last statement of a part does, with the locks of those before it.
async fn observed(
    place: &Place<'_>,
    setup: &str,
    part: &str,
    claimed: &Facts,
) -> Result<Facts, String> {
    place.set_up(setup).await?;
    let mut all = split(part);
    let last = all.pop().ok_or("an example without a statement")?;
    match last.bare {
        true => place.blocked(&last.text, claimed).await,
        false => place.rolled_back(&all, &last.text, claimed).await,
    }
}

/// Runs what passes instead, migration by migration.
async fn safe_form(place: &Place<'_>, example: &Example) -> Result<(), String> {
    if example.instead.is_empty() {
        return Ok(());
    }
    place.set_up(example.setup).await?;
    let old = place.relations().await;
    for (kind, text) in example.instead {
        for facts in place.run(text, &old).await? {
            let slow = old.blocked_by(&facts);
            if *kind == PartKind::Up && !slow.is_empty() {
                return Err(format!("work under a lock on {slow:?}: {text}"));
            }
        }
    }
    Ok(())
}

/// A rule that says what a lock does to traffic has an example that shows it, or a reason why nothing can be shown.
#[test]
fn every_rule_about_locks_is_observed() {
    let without: Vec<&str> = rules(Dialect::Postgres)
        .filter(|rule| rule.examples.iter().all(|example| example.seen.is_none()))
        .map(|rule| rule.name)
        .filter(|name| !UNOBSERVED.iter().any(|(rule, _)| rule == name))
        .collect();
    assert!(without.is_empty(), "no example shows anything: {without:?}");
    for (rule, _) in UNOBSERVED {
        let found = rules(Dialect::Postgres).find(|found| found.name == *rule);
        let found = found.unwrap_or_else(|| panic!("there is no rule {rule}"));
        assert!(
            found.examples.iter().all(|example| example.seen.is_none()),
            "{rule} is observed"
        );
    }
}

/// Rules that say nothing of a relation, and so have nothing that a server could show.
const UNOBSERVED: &[(&str, &str)] = &[
    ("databases", "a database is no relation"),
    (
        "not-understood",
        "what the grammar does not know is not known to the server either, or not installed",
    ),
    ("server-settings", "a setting is no relation"),
    (
        "transaction-control",
        "the server refuses it where the examples run",
    ),
];
