//! What a part of CQL may hold.

use super::super::PartKind;
use super::{first_line, head};
use crate::cql::{Act, BatchKind, Object, Statement, WriteVerb};
use crate::place::Problem;

/// What is wrong with the statements of a part of this kind.
pub fn rules(kind: PartKind, text: &str, statements: &[Statement]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for statement in statements {
        let at = head(text, statement.span);
        let problem = |(message, help): (String, Option<&str>)| {
            let problem = Problem::new(at, message);
            match help {
                Some(help) => problem.help(help),
                None => problem,
            }
        };
        match refused(kind, &statement.act, first_line(statement.span.of(text))) {
            Some(found) => problems.push(problem(found)),
            None if statement.directives.done_when.is_none() => {
                problems.extend(unprovable(kind, &statement.act).map(problem));
                problems.extend(unrepeatable(&statement.act));
            }
            None => {}
        }
    }
    problems
}

/// What stands in no part, or not in one of this kind.
fn refused(kind: PartKind, act: &Act, words: &str) -> Option<(String, Option<&'static str>)> {
    match act {
        Act::Use { .. } => {
            return Some((
                "USE changes the keyspace of everything that follows".into(),
                Some(
                    "remove it: kmig works in the keyspace of the url; name another one in front of the table",
                ),
            ));
        }
        Act::Create(made) if matches!(made.object, Object::Keyspace(_)) => {
            return Some((
                "a migration makes no keyspace".into(),
                Some(
                    "remove it: kmig bootstrap makes the keyspace of the url, as [cassandra] replication says",
                ),
            ));
        }
        Act::Drop {
            object: Object::Keyspace(_),
            ..
        } => {
            return Some((
                "a migration drops no keyspace".into(),
                Some("remove it: kmig's own tables stand in the keyspace, too"),
            ));
        }
        Act::List => {
            return Some((
                "nobody reads the answer of LIST in a migration".into(),
                Some("remove it"),
            ));
        }
        _ => {}
    }
    let message = match kind {
        PartKind::Check | PartKind::Ready if !matches!(act, Act::Select { .. }) => format!(
            "a {kind} part only asks: a SELECT that returns a row for each violation, not {words}"
        ),
        PartKind::Backfill if !fills(act) => {
            format!("a backfill part holds INSERT, UPDATE, BATCH of those and SELECT, not {words}")
        }
        _ => return None,
    };
    Some((message, None))
}

fn fills(act: &Act) -> bool {
    match act {
        Act::Select { .. } => true,
        Act::Write(_) | Act::Batch(_) => {
            let mut writes = act.writes().iter();
            writes.all(|write| write.verb != WriteVerb::Delete)
        }
        _ => false,
    }
}

/// What has no post-condition that kmig could read from the schema, and what a repeat may do more than once (traps C9).
fn unprovable(kind: PartKind, act: &Act) -> Option<(String, Option<&'static str>)> {
    const HELP: &str =
        "put `-- kmig:done-when SELECT …` above it: a query that is true once it has taken effect";
    match act {
        Act::Other => Some((
            "kmig does not understand this statement, so it could not tell whether it has taken effect".into(),
            Some("look for a mistake; if there is none, put `-- kmig:done-when SELECT …` above it: a query that is true once it has taken effect"),
        )),
        Act::Truncate { .. } => Some((
            "after a crash a repeat of TRUNCATE would delete what was written since".into(),
            Some(HELP),
        )),
        // A backfill is run again anyhow, until its conditions hold nowhere any more.
        Act::Write(_) | Act::Batch(_) if kind != PartKind::Backfill => {
            let mut writes = act.writes().iter();
            let again = writes.any(|write| write.conditional && write.verb != WriteVerb::Insert);
            again.then(|| {
                (
                    "after a crash a repeat of this conditional write may find its condition true once more".into(),
                    Some(HELP),
                )
            })
        }
        _ => None,
    }
}

/// The writes that a repeat after a crash would not leave as they were (traps C9, C11).
fn unrepeatable(act: &Act) -> Vec<Problem> {
    const HELP: &str = "after a crash kmig repeats a write that is in doubt: write the value itself, or put `-- kmig:done-when SELECT …` above the statement, a query that is true once it has taken effect";
    // Of a counter batch all is told by its first change.
    let most = match act {
        Act::Batch(batch) if batch.kind == BatchKind::Counter => 1,
        _ => usize::MAX,
    };
    let found = act.writes().iter().flat_map(|write| &write.unrepeatable);
    found
        .take(most)
        .map(|found| Problem::new(found.span, found.why.clone()).help(HELP))
        .collect()
}
