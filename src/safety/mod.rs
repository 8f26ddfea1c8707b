//! What a statement does to the old version of the application, judged before it runs (contract §6.1). Pure.
//!
//! Rules are data: one table per language ([`rules`]). [`sql`] and [`cql`] find which statement trips which rule; [`judge`]
//! walks a whole set, batch by batch, applies the allowances and says what is refused. What is not understood is refused,
//! never called safe.

mod allow;
mod before;
pub mod cql;
pub mod judge;
pub mod known;
pub mod rule;
mod scope;
pub mod sql;
pub mod tell;

pub use allow::unknown;
pub use judge::{Against, Found, Judgement, Scope, Verdict, judge};
pub use known::Known;
pub use rule::{Goes, Harm, Rule, find, near, rules};

use crate::place::Span;

/// One statement that trips one rule.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The statement, by its index in its part.
    pub statement: usize,
    /// The words that trip it, in the part's file: an action of an ALTER TABLE, a statement inside a DO block.
    pub span: Span,
    /// What this statement does, one line, no full stop.
    pub message: String,
    /// The statement as it should be, where one can be given.
    pub rewritten: Option<String>,
    /// Whether it is refused, or only to be known.
    pub weight: Weight,
}

/// Whether a finding stops a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The part does not run with it, unless it is allowed.
    Refuses,
    /// It is shown, and stops nothing.
    Notes,
}

impl Finding {
    /// A finding that refuses.
    pub fn new(
        rule: &'static Rule,
        statement: usize,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        Finding {
            rule,
            statement,
            span,
            message: message.into(),
            rewritten: None,
            weight: Weight::Refuses,
        }
    }

    /// The same with the statement as it should be.
    pub fn rewritten(mut self, statement: impl Into<String>) -> Self {
        self.rewritten = Some(statement.into());
        self
    }

    /// The same, stopping nothing.
    pub fn note(mut self) -> Self {
        self.weight = Weight::Notes;
        self
    }
}

#[cfg(test)]
mod tests;
