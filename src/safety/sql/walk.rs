//! The state of a walk over the statements of a batch, and where findings go.

use super::batch::{Batch, Space};
use crate::place::Span;
use crate::safety::before::Before;
use crate::safety::rule::Lock;
use crate::safety::{Finding, Known, Rule};
use crate::source::PartKind;
use crate::sql::Name;
use crate::sql::made::Kind;
use std::collections::BTreeSet;

/// A walk over statements in order.
pub struct Walk<'k> {
    /// What is known of the database.
    pub known: &'k Known,
    /// What was made so far.
    pub batch: Batch,
    /// What migrations ahead of the batch make.
    pub before: &'k Before<'k>,
    /// Whether the statement was run earlier: then the database shows its effect, and says nothing of what was before.
    pub done: bool,
    /// The kind of the part.
    pub kind: PartKind,
    /// The statement's index.
    pub statement: usize,
    /// What the transaction holds.
    pub transaction: Transaction,
    /// The calls that are being looked into, with the place of the outermost and the names.
    pub calls: Vec<String>,
    /// Where everything is reported that is found inside of a call.
    pub call: Option<Span>,
    /// Findings about the part.
    pub found: Vec<Finding>,
}

/// What a transaction holds so far.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Old tables that are locked, each once, in order.
    pub locked: Vec<(Name, Lock)>,
    /// Constraints that were added in it.
    pub added: BTreeSet<(Name, String)>,
    /// Whether several locks were told of.
    pub told_several: bool,
}

impl Walk<'_> {
    /// Notes that a statement trips a rule.
    pub fn find(&mut self, rule: &'static Rule, span: Span, message: impl Into<String>) {
        self.push(rule, span, message.into(), None, false);
    }

    /// The same with the statement as it should be.
    pub fn find_rewritten(
        &mut self,
        rule: &'static Rule,
        span: Span,
        message: impl Into<String>,
        rewritten: String,
    ) {
        self.push(rule, span, message.into(), Some(rewritten), false);
    }

    /// Notes what is only to be known.
    pub fn note(&mut self, rule: &'static Rule, span: Span, message: impl Into<String>) {
        self.push(rule, span, message.into(), None, true);
    }

    fn push(
        &mut self,
        rule: &'static Rule,
        span: Span,
        message: String,
        rewritten: Option<String>,
        note: bool,
    ) {
        let message = match self.calls.last() {
            Some(name) => format!("the body of {name}, which is called here: {message}"),
            None => message,
        };
        let mut finding = Finding::new(rule, self.statement, self.call.unwrap_or(span), message);
        finding.rewritten = rewritten.filter(|_| self.calls.is_empty());
        if note {
            finding = finding.note();
        }
        let same = |other: &Finding| {
            std::ptr::eq(other.rule, finding.rule)
                && other.span == finding.span
                && other.message == finding.message
        };
        if !self.found.iter().any(same) {
            self.found.push(finding);
        }
    }

    /// Whether a name is of a relation that the old version may know.
    pub fn old(&self, relation: &Name) -> bool {
        !self.batch.made(Space::Relation, relation)
    }

    /// Whether something of that name may have been there before the batch: what the database shows, or the files.
    pub fn there(&self, space: Space, name: &Name) -> bool {
        let kind = match space {
            Space::Relation => Kind::Table,
            Space::Type => Kind::Type,
            Space::Function => Kind::Function,
            Space::Schema => Kind::Schema,
            Space::Other("extension") => Kind::Extension,
            Space::Role | Space::Other(_) => return true,
        };
        let Some(key) = self.batch.key(space, name) else {
            return true;
        };
        if let (false, Some(functions), Some(schema)) =
            (self.done, &self.known.functions, key.schema)
        {
            match space {
                Space::Relation => return self.known.relation(Some(&schema), &key.name).is_some(),
                Space::Function => return functions.contains(&(schema, key.name)),
                _ => {}
            }
        }
        self.before.makes(kind, &name.name)
    }

    /// Notes a lock that others wait for, on a relation that the old version may know.
    pub fn lock(&mut self, relation: &Name, lock: Lock) {
        if !self.old(relation) {
            return;
        }
        let held = self
            .transaction
            .locked
            .iter_mut()
            .find(|(name, _)| name == relation);
        match held {
            Some((_, held)) => *held = lock.max(*held),
            None => self.transaction.locked.push((relation.clone(), lock)),
        }
    }

    /// The server's major version; where nobody asked, the oldest that kmig is tried on.
    pub fn version(&self) -> u32 {
        self.known.version.unwrap_or(OLDEST)
    }

    /// How large a table is, for people, where that is known.
    pub fn size(&self, table: &Name) -> String {
        let Some(relation) = self.known.relation(table.schema.as_deref(), &table.name) else {
            return String::new();
        };
        let megabytes = relation.bytes / 1_000_000;
        match relation.rows {
            Some(rows) => format!(" (about {rows} rows, {megabytes} MB)"),
            None => format!(" ({megabytes} MB)"),
        }
    }
}

const OLDEST: u32 = 13;

/// A name as people read it.
pub fn shown(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    }
}
