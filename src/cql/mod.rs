//! What a text of CQL says, without a cluster: statements with byte-exact spans, what each makes, changes or drops,
//! directives.
//!
//! Pure: no file system, no driver, no clock. Lexer and parser are kmig's own and follow Cassandra's Lexer.g and
//! Parser.g (4.0 to 5.0); where statements begin and end is cqlsh's rule. What the parser does not know is
//! [`Act::Other`], never a guess.

use crate::directive::Directives;
use crate::place::{Problem, Span};

mod act;
mod cursor;
mod kind;
pub mod lexer;
pub mod made;
mod parse;
pub mod proof;
pub mod schema;
mod split;
pub mod stands;
mod text;

pub use act::{
    Act, Batch, BatchKind, Change, Column, Create, IdPlace, Key, Name, Object, Target,
    Unrepeatable, Write, WriteVerb,
};
pub use parse::{parse, selects_all};
pub use split::split;
pub use text::{blotted, holds_list, holds_password, safe_text, with_id};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// From its first token to its last, without the closing `;` and without comments before it.
    pub span: Span,
    /// What it does.
    pub act: Act,
    /// The directives above it.
    pub directives: Directives,
}

/// A text, split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The statements in order.
    pub statements: Vec<Statement>,
    /// What is wrong with the text, in order of place. A script with problems is never run.
    pub problems: Vec<Problem>,
}

/// Whether a text is one SELECT; what `kmig:done-when` takes.
///
/// # Errors
/// What it is instead.
pub fn only_reads(query: &str) -> Result<(), &'static str> {
    let script = split(query);
    match script.statements.as_slice() {
        _ if !script.problems.is_empty() => Err("the query of kmig:done-when cannot be read"),
        [only] if matches!(only.act, Act::Select { .. }) => Ok(()),
        [] | [_] => Err("kmig:done-when takes a SELECT"),
        _ => Err("kmig:done-when takes one query, not several"),
    }
}
