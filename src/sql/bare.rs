//! The statements that the server refuses inside a transaction block: all that reach PreventInTransactionBlock in its
//! sources (utility.c, dbcommands.c, tablespace.c, subscriptioncmds.c, cluster.c, vacuum.c, indexcmds.c,
//! tablecmds.c), read from their first tokens.
//!
//! Absent, because the text does not show it: REINDEX and CLUSTER of a partitioned table.

use super::head::Head;
use super::{Bare, Reindexed};
use crate::place::Problem;

/// What the statement is, if it cannot run in a transaction block.
pub fn bare(head: &Head) -> Option<Result<Bare, Problem>> {
    let first = head.word(0).to_ascii_uppercase();
    let found = match first.as_str() {
        "CREATE" => return create(head),
        "DROP" => return drop(head),
        "ALTER" => alter(head)?,
        "VACUUM" => Bare::Repeatable,
        "CLUSTER" if head.len() == behind_options(head) => Bare::Repeatable,
        "REINDEX" => reindex(head)?,
        _ => return None,
    };
    Some(Ok(found))
}

/// The index behind `(VERBOSE, …)` or VERBOSE.
fn behind_options(head: &Head) -> usize {
    head.behind(head.behind_parentheses(1), &["VERBOSE"])
}

/// CONCURRENTLY stands among the options in parentheses or behind the kind of object.
fn reindex(head: &Head) -> Option<Bare> {
    let kind = behind_options(head);
    let whole = head.is_any(kind, &["DATABASE", "SYSTEM", "SCHEMA"]);
    if !(1..=kind + 1).any(|at| head.is(at, "CONCURRENTLY")) {
        return whole.then_some(Bare::Repeatable);
    }
    let name = head.name(head.behind(kind + 1, &["CONCURRENTLY"]));
    Some(
        match (head.word(kind).to_ascii_uppercase().as_str(), name) {
            ("INDEX", Some((name, _))) => Bare::Reindex(Reindexed::Index(name)),
            ("TABLE", Some((name, _))) => Bare::Reindex(Reindexed::Table(name)),
            ("SCHEMA", Some((name, _))) => Bare::Reindex(Reindexed::Schema(name)),
            // Its name may be left out: it can only be the current one.
            ("DATABASE", _) => Bare::Reindex(Reindexed::Database),
            // The server will refuse it, and says why better than kmig could.
            _ => Bare::Repeatable,
        },
    )
}

fn create(head: &Head) -> Option<Result<Bare, Problem>> {
    if head.is_any(1, &["DATABASE", "TABLESPACE"]) {
        return Some(Ok(Bare::Opaque));
    }
    if head.is(1, "SUBSCRIPTION") {
        return (!leaves_no_slot(head)).then_some(Ok(Bare::Opaque));
    }
    let word = head.behind(head.behind(1, &["UNIQUE"]), &["INDEX"]);
    if !head.is(word - 1, "INDEX") || !head.is(word, "CONCURRENTLY") {
        return None;
    }
    let concurrently = head.span(word);
    let at = head.behind(word + 1, &["IF", "NOT", "EXISTS"]);
    let unnamed = || {
        Problem::new(concurrently, "this CREATE INDEX CONCURRENTLY has no name").help(
            "write CREATE INDEX CONCURRENTLY name ON …: after an interruption kmig looks for the index by its name",
        )
    };
    // ON is reserved, so no index has it for an unquoted name.
    let named = || match head.is(at, "ON") {
        true => None,
        false => head.name(at),
    };
    let Some((index, behind)) = named() else {
        return Some(Err(unnamed()));
    };
    let table = head.behind(head.behind(behind, &["ON"]), &["ONLY"]);
    Some(Ok(match head.name(table) {
        Some((table, behind)) => Bare::CreateIndex {
            index,
            table,
            concurrently,
            definition: head.span(behind).start,
        },
        // The server will refuse it, and says why better than kmig could.
        None => Bare::Opaque,
    }))
}

/// CREATE SUBSCRIPTION … WITH (connect = false) or (create_slot = false), the forms that need no connection.
fn leaves_no_slot(head: &Head) -> bool {
    (0..head.len()).any(|at| {
        let value = head.text(at + 2).trim_matches('\'');
        head.is_any(at, &["connect", "create_slot"])
            && head.text(at + 1) == "="
            && ["false", "off", "0"]
                .iter()
                .any(|off| value.eq_ignore_ascii_case(off))
    })
}

fn drop(head: &Head) -> Option<Result<Bare, Problem>> {
    if head.is_any(1, &["DATABASE", "TABLESPACE", "SUBSCRIPTION"]) {
        return Some(Ok(Bare::Opaque));
    }
    if !head.has(1, &["INDEX", "CONCURRENTLY"]) {
        return None;
    }
    let at = head.behind(3, &["IF", "EXISTS"]);
    Some(match head.name(at) {
        Some((_, behind)) if head.text(behind) == "," => Err(Problem::new(
            head.span(behind),
            "DROP INDEX CONCURRENTLY takes one index",
        )
        .help("write a statement for each index")),
        Some((index, _)) => Ok(Bare::DropIndex { index }),
        None => Ok(Bare::Opaque),
    })
}

fn alter(head: &Head) -> Option<Bare> {
    match head.word(1).to_ascii_uppercase().as_str() {
        "SYSTEM" => Some(Bare::Opaque),
        "DATABASE" => {
            let (_, behind) = head.name(2)?;
            head.has(behind, &["SET", "TABLESPACE"])
                .then_some(Bare::Opaque)
        }
        "SUBSCRIPTION" => {
            let (_, behind) = head.name(2)?;
            let refreshes = head.is(behind, "REFRESH")
                || head.is_any(behind, &["SET", "ADD", "DROP"])
                    && (head.is(behind + 1, "PUBLICATION")
                        || ["failover", "two_phase"]
                            .iter()
                            .any(|option| head.find(option).is_some()));
            refreshes.then_some(Bare::Opaque)
        }
        "TABLE" => {
            let at = head.behind(head.behind(2, &["IF", "EXISTS"]), &["ONLY"]);
            let (table, behind) = head.name(at)?;
            let behind = behind + usize::from(head.text(behind) == "*");
            if !head.has(behind, &["DETACH", "PARTITION"]) {
                return None;
            }
            let (partition, behind) = head.name(behind + 2)?;
            head.is(behind, "CONCURRENTLY")
                .then_some(Bare::Detach { table, partition })
        }
        _ => None,
    }
}
