//! What a text of SQL says, without a database: statements with byte-exact spans, how each may be run, directives.
//!
//! Pure: no file system, no driver, no clock. The lexer is kmig's own and follows psql's rules; what a statement is, is
//! asked of a real grammar (squawk-syntax, named by [`class`] alone).

use crate::directive::Directives;
use crate::place::{Problem, Span};

mod bare;
pub mod class;
pub mod cut;
mod grip;
mod head;
pub mod lexer;
pub mod made;
mod object;
mod setting;
mod split;

pub use cut::copy_target;
pub use cut::{Segment, cut_problems, segments};
pub use grip::validated;
pub use split::split;

use lexer::{Kind, Lexer};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// From its first token to its last, without the closing `;` and without comments before it.
    pub span: Span,
    /// What kind of statement it is.
    pub verb: Verb,
    /// What it writes besides its verb: the writing members of its WITH lists and of COPY (…), in order, and
    /// [`Verb::Other`] for SELECT INTO. Empty for all but INSERT, UPDATE, DELETE, MERGE, COPY and queries.
    pub writes: Vec<Verb>,
    /// How it may be run.
    pub class: Class,
    /// What it takes hold of that others use.
    pub grip: Grip,
    /// The lines of data behind `COPY … FROM stdin;`, without the closing `\.` line.
    pub copy_data: Option<Span>,
    /// The directives above it.
    pub directives: Directives,
}

/// What a statement does, as far as parts restrict it: a check part asks, a backfill part writes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// SELECT, VALUES, TABLE or WITH … SELECT; [`Statement::writes`] tells of WITH queries that write.
    Query,
    /// INSERT, also below WITH.
    Insert,
    /// UPDATE, also below WITH.
    Update,
    /// DELETE, also below WITH.
    Delete,
    /// MERGE, also below WITH; `deletes` where it holds a DELETE action.
    Merge {
        /// Whether one of its actions is DELETE.
        deletes: bool,
    },
    /// COPY in any form.
    Copy,
    /// ANALYZE.
    Analyze,
    /// SET, RESET, and SELECT of nothing but set_config.
    Setting,
    /// Everything else.
    Other,
}

/// How the server lets a statement run, and what kmig may send together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// DDL or DML that runs in its part's transaction and may share a string with its neighbours (traps P13).
    Plain,
    /// Runs in its part's transaction, in a string of its own: it may change the session or the meaning of what follows.
    Lone,
    /// A change of the session's settings: no step, but replayed before the first statement that is not done (traps P5).
    Session,
    /// `ALTER TYPE … ADD VALUE`: a transaction of its own, since the label is not usable before the commit (traps P13).
    Own,
    /// The server refuses it inside a transaction block.
    Bare(Bare),
}

/// What a statement takes hold of, as far as the application's traffic could notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grip {
    /// It makes something new, or changes a setting: it waits for nobody.
    Nothing,
    /// Rows, or a lock that no reading or writing queues behind. It may have to wait for others.
    Light,
    /// `ALTER TABLE … VALIDATE CONSTRAINT` and nothing else: a long scan under a lock that no reading or writing queues
    /// behind.
    Validate,
    /// A lock that reading or writing queues behind, while it is held and while it is waited for.
    Strong,
}

/// The statements that cannot run inside a transaction block, by what their effect is read back from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// `CREATE INDEX CONCURRENTLY`.
    CreateIndex {
        /// Name of the index, which kmig demands.
        index: Name,
        /// The table as it was written.
        table: Name,
        /// Span of the word CONCURRENTLY.
        concurrently: Span,
        /// Where the definition begins, behind the table's name.
        definition: usize,
    },
    /// `DROP INDEX CONCURRENTLY`.
    DropIndex {
        /// The index as it was written.
        index: Name,
    },
    /// `REINDEX … CONCURRENTLY`: repeated, once what a killed one left is cleared.
    Reindex(Reindexed),
    /// REINDEX DATABASE or SYSTEM, VACUUM, CLUSTER without a table: simply repeated.
    Repeatable,
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`.
    Detach {
        /// The partitioned table.
        table: Name,
        /// The partition.
        partition: Name,
    },
    /// Anything else, CREATE DATABASE for example: kmig cannot see its effect.
    Opaque,
}

/// Where a REINDEX works, and so where a killed one leaves something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reindexed {
    /// An index, with its partitions.
    Index(Name),
    /// The indexes of a table, with those of its partitions and of their TOAST tables.
    Table(Name),
    /// Those of a schema.
    Schema(Name),
    /// Those of the whole database.
    Database,
}

/// A name that may be qualified, unquoted and folded as the server does it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Schema, where it was written.
    pub schema: Option<String>,
    /// The object's own name.
    pub name: String,
}

/// A text, split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The statements in order.
    pub statements: Vec<Statement>,
    /// What is wrong with the text, in order of place. A script with problems is never run.
    pub problems: Vec<Problem>,
}

/// The name that begins a text, qualified or not, unquoted, folded and cut as the server does it.
pub fn name(text: &str) -> Option<Name> {
    let head = head::Head::whole(text, Span::new(0, text.len()));
    head.name(0).map(|(name, _)| name)
}

/// The unquoted and quoted words of a statement, which may be names.
pub fn names(text: &str, span: Span) -> impl Iterator<Item = Span> {
    let words = head::significant(text, span);
    words
        .filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
        .map(|token| token.span)
}

/// Whether a text is one query that only reads; what `kmig:done-when` takes.
///
/// # Errors
/// What it is instead.
pub fn only_reads(query: &str) -> Result<(), &'static str> {
    for token in Lexer::new(query) {
        match token.kind {
            Kind::Semicolon => return Err("kmig:done-when takes one query, not several"),
            _ if token.unclosed => return Err("the query of kmig:done-when is not closed"),
            _ => {}
        }
    }
    let known = class::classify(query, Span::new(0, query.len()));
    match known.verb == Verb::Query && known.writes.is_empty() && known.problems.is_empty() {
        true => Ok(()),
        false => Err("kmig:done-when takes a query that only reads"),
    }
}
