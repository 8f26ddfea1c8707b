//! What a part of SQL may hold.

use super::super::PartKind;
use super::{first_line, head};
use crate::place::Problem;
use crate::sql::{self, Bare, Class, Statement, Verb};

/// What a part of this kind may hold (contract §6.1), and what could not be resumed.
pub fn rules(kind: PartKind, text: &str, statements: &[Statement]) -> Vec<Problem> {
    let mut problems = sql::cut::cut_problems(text, statements);
    for statement in statements {
        let bare = matches!(statement.class, Class::Bare(_));
        let word = first_line(statement.span.of(text));
        let refused = match kind {
            PartKind::Check | PartKind::Ready
                if statement.verb != Verb::Query || !statement.writes.is_empty() =>
            {
                Some(format!(
                    "a {kind} part only asks: a SELECT that returns a row for each violation, not {word}"
                ))
            }
            PartKind::Backfill if !fills(statement) => Some(format!(
                "a backfill part holds INSERT, UPDATE, MERGE without DELETE, SELECT, COPY and ANALYZE, not {word}"
            )),
            _ => None,
        };
        let refused = refused.or_else(|| {
            let to_stdout = statement.verb == Verb::Copy && statement.copy_data.is_none() && {
                let words: Vec<&str> = statement.span.of(text).split_whitespace().collect();
                words.iter().any(|word| word.eq_ignore_ascii_case("stdout"))
            };
            to_stdout.then(|| "COPY … TO STDOUT has nobody to read it in a migration".to_string())
        });
        if let Some(message) = refused {
            problems.push(Problem::new(head(text, statement.span), message));
        } else if bare
            && matches!(statement.class, Class::Bare(Bare::Opaque))
            && statement.directives.done_when.is_none()
        {
            problems.push(
                Problem::new(
                    head(text, statement.span),
                    "kmig cannot see whether this statement has taken effect, and it cannot run in a transaction",
                )
                .help("put `-- kmig:done-when SELECT …` above it: a query that is true once it has taken effect"),
            );
        }
    }
    problems
}

fn fills(statement: &Statement) -> bool {
    std::iter::once(&statement.verb)
        .chain(&statement.writes)
        .all(|verb| verb_fills(*verb))
}

fn verb_fills(verb: Verb) -> bool {
    match verb {
        Verb::Query | Verb::Insert | Verb::Update | Verb::Copy | Verb::Analyze | Verb::Setting => {
            true
        }
        Verb::Merge { deletes } => !deletes,
        Verb::Delete | Verb::Other => false,
    }
}
