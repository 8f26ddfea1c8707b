//! Which statement of SQL trips which rule. Pure.
//!
//! [`grammar`] reads statements with a real grammar (squawk-syntax, which no other module here names) and judges them one
//! by one; [`batch`] knows what the batch has made so far; this module walks the parts in the order in which they run.

pub mod batch;
mod functions;
mod grammar;
pub mod table;
mod walk;

pub use functions::{harmless_volatile, steady};
pub use table::TABLE;

use super::rule::Lock;
use super::{Finding, Known, Scope};
use crate::place::Span;
use crate::source::{Migration, Part, PartKind};
use batch::Batch;
use table::locks;
use walk::{Transaction, Walk, shown};

/// The findings about the judged parts of a scope, one list per part, in its order.
pub fn findings(scope: &Scope<'_>, known: &Known) -> Vec<Vec<Finding>> {
    let mut walk = Walk {
        known,
        before: &scope.before,
        done: false,
        batch: Batch::new(known.schema.as_deref().or(Some("public"))),
        kind: PartKind::Up,
        statement: 0,
        transaction: Transaction::default(),
        calls: Vec::new(),
        call: None,
        found: Vec::new(),
    };
    let mut found: Vec<Vec<Finding>> = scope.judged.iter().map(|_| Vec::new()).collect();
    let mut part = |walk: &mut Walk<'_>, migration: &Migration, kind: PartKind| {
        let Some(part) = migration.part(kind) else {
            return;
        };
        let judged = scope
            .judged
            .iter()
            .position(|&(of, which, _)| which == kind && std::ptr::eq(of, migration));
        let from = judged.map_or(usize::MAX, |at| scope.judged[at].2);
        let all = one_part(walk, part, from);
        if let Some(at) = judged {
            let due = all.into_iter().filter(|finding| finding.statement >= from);
            found[at] = due.collect();
        }
    };
    for migration in &scope.members {
        part(&mut walk, migration, PartKind::Up);
        part(&mut walk, migration, PartKind::Backfill);
    }
    // A batch is finished or undone, never both.
    let expanded = walk.batch.clone();
    for migration in &scope.members {
        part(&mut walk, migration, PartKind::Finish);
    }
    walk.batch = expanded;
    for migration in scope.members.iter().rev() {
        part(&mut walk, migration, PartKind::Undo);
    }
    found
}

/// Judges all statements of a part, of which those before `from` are done.
fn one_part(walk: &mut Walk<'_>, part: &Part, from: usize) -> Vec<Finding> {
    walk.kind = part.kind;
    for (at, statement) in part.statements.iter().enumerate() {
        if part.segments.iter().any(|segment| segment.starts_at(at)) {
            walk.transaction = Transaction::default();
        }
        walk.statement = at;
        walk.done = at < from;
        let before = strong(&walk.transaction);
        grammar::statement(walk, &part.file.text, statement.span);
        several(walk, before, statement.span);
    }
    walk.batch.end_part();
    std::mem::take(&mut walk.found)
}

/// How many old tables a transaction locks against writing.
fn strong(transaction: &Transaction) -> usize {
    let locked = transaction.locked.iter();
    locked.filter(|(_, lock)| *lock >= Lock::Share).count()
}

/// Tells of a statement that locks another old table while the transaction holds one.
fn several(walk: &mut Walk<'_>, before: usize, span: Span) {
    let strong = |(_, lock): &&(_, Lock)| *lock >= Lock::Share;
    let tables: Vec<String> = walk
        .transaction
        .locked
        .iter()
        .filter(strong)
        .map(|(name, _)| shown(name))
        .collect();
    if before > 0 && tables.len() > before && !walk.transaction.told_several {
        walk.transaction.told_several = true;
        let message = format!(
            "this transaction holds locks on {} at once",
            tables.join(" and ")
        );
        walk.note(&locks::SEVERAL_LOCKS, span, message);
    }
}
