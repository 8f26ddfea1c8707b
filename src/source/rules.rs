//! What a part of each kind may hold (contract §6.1), and what could not be resumed. Pure.

pub mod cql;
pub mod own;
pub mod sql;

use crate::place::Span;

/// The first words of the statement at `span`, to be marked.
pub fn head(text: &str, span: Span) -> Span {
    Span::new(span.start, span.start + first_line(span.of(text)).len())
}

/// The first words of a statement, enough to know it by.
fn first_line(statement: &str) -> &str {
    let line = statement.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((cut, _)) => &line[..cut],
        None => line,
    }
}
