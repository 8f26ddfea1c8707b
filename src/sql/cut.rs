//! Where a part is cut into transactions, and what must not stand in a part that is cut.

use std::ops::Range;

use super::head::{Head, significant};
use super::{Class, Statement, Verb, setting};
use crate::place::{Problem, Span};

/// A run of a part's statements, by their indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// These run in one transaction, together with their record.
    Transaction(Range<usize>),
    /// This one runs outside of any.
    Bare(usize),
}

impl Segment {
    /// Whether it begins with this statement.
    pub fn starts_at(&self, at: usize) -> bool {
        match self {
            Segment::Transaction(range) => range.start == at,
            Segment::Bare(bare) => *bare == at,
        }
    }
}

/// A part is one transaction, cut only around the statements that cannot be in it, and around those that need one of
/// their own.
pub fn segments(statements: &[Statement]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut start = 0;
    for (index, statement) in statements.iter().enumerate() {
        let segment = match statement.class {
            Class::Plain | Class::Lone | Class::Session => continue,
            Class::Own => Segment::Transaction(index..index + 1),
            Class::Bare(_) => Segment::Bare(index),
        };
        if start < index {
            segments.push(Segment::Transaction(start..index));
        }
        segments.push(segment);
        start = index + 1;
    }
    if start < statements.len() {
        segments.push(Segment::Transaction(start..statements.len()));
    }
    segments
}

/// What a part of several segments must not hold: state of the session or the transaction that a resumed part would
/// have lost (traps P5).
pub fn cut_problems(text: &str, statements: &[Statement]) -> Vec<Problem> {
    if segments(statements).len() < 2 {
        return Vec::new();
    }
    let refuse = |statement: &Statement| {
        let head = match statement.verb {
            Verb::Query | Verb::Setting => Head::whole(text, statement.span),
            _ => Head::new(text, statement.span),
        };
        let (what, at) = lost(&head, statement)?;
        let problem = Problem::new(
            head.span(at),
            format!("{what} in a part that is cut into several transactions"),
        );
        Some(problem.help(
            "it would be gone when the part is resumed; move the statement that cuts the part into a migration of its own",
        ))
    };
    statements.iter().filter_map(refuse).collect()
}

const TEMPORARY: [&str; 2] = ["TEMP", "TEMPORARY"];

/// The token that shows that a CREATE makes a temporary object.
pub fn temporary(head: &Head) -> Option<usize> {
    let at = head.behind(1, &["OR", "REPLACE"]);
    let at = at + usize::from(head.is_any(at, &["GLOBAL", "LOCAL"]));
    let in_pg_temp = (1..head.len())
        .find(|&at| head.text(at).trim_matches('"') == "pg_temp" && head.text(at + 1) == ".");
    head.is_any(at, &TEMPORARY).then_some(at).or(in_pg_temp)
}

/// What of a statement's effect does not outlive its transaction or session, and the token that shows it.
fn lost(head: &Head, statement: &Statement) -> Option<(&'static str, usize)> {
    const SCOPE: [&str; 2] = ["GLOBAL", "LOCAL"];
    if head.is(0, "CREATE") {
        return temporary(head).map(|at| ("a temporary object", at));
    }
    if head.is(0, "PREPARE") {
        return Some(("PREPARE", 0));
    }
    if head.is(0, "DECLARE") {
        let hold = (0..head.len()).find(|&at| head.has(at, &["WITH", "HOLD"]))?;
        return Some(("a cursor WITH HOLD", hold));
    }
    if head.has(0, &["SET", "LOCAL"]) {
        return Some(("SET LOCAL", 1));
    }
    if !matches!(statement.verb, Verb::Query | Verb::Setting) {
        return None;
    }
    if statement.class == Class::Lone && setting::calls_set_config(head) {
        return Some(("a set_config that is not replayed", 0));
    }
    (0..head.len())
        .filter(|&at| head.is(at, "INTO"))
        .map(|at| at + 1 + usize::from(head.is_any(at + 1, &SCOPE)))
        .find(|&at| head.is_any(at, &TEMPORARY))
        .map(|at| ("a temporary table", at))
}
/// The table of `COPY table …`, as it is written; nothing where it is a query or not given.
pub fn copy_target(text: &str) -> Option<&str> {
    let whole = Span::new(0, text.len());
    let mut tokens = significant(text, whole).map(|token| token.span);
    tokens.next()?;
    let first = tokens.next()?;
    let ends = |span: &Span| {
        let word = span.of(text);
        word == "(" || word.eq_ignore_ascii_case("FROM") || word.eq_ignore_ascii_case("TO")
    };
    if ends(&first) {
        return None;
    }
    let last = tokens.take_while(|span| !ends(span)).last();
    Some(&text[first.start..last.unwrap_or(first).end])
}
