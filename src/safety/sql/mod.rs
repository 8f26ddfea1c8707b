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
use crate::source::{Migration, Part, PartKind};
use batch::Batch;
use table::locks;
use walk::{Transaction, Walk, shown};

/// The findings about the judged parts of a scope, one list per part, in its order.
pub fn findings(scope: &Scope<'_>, known: &Known) -> Vec<Vec<Finding>> {
    let mut walk = Walk {
        known,
        batch: Batch::new(known.schema.as_deref().or(Some("public"))),
        kind: PartKind::Up,
        statement: 0,
        transaction: Transaction::default(),
        calls: Vec::new(),
        call: None,
        found: Vec::new(),
    };
    let mut found: Vec<Vec<Finding>> = scope.judged.iter().map(|_| Vec::new()).collect();
    let mut part = |migration: &Migration, kind: PartKind| {
        let Some(part) = migration.part(kind) else {
            return;
        };
        let all = one_part(&mut walk, part);
        let judged = scope
            .judged
            .iter()
            .position(|&(of, which, _)| which == kind && std::ptr::eq(of, migration));
        if let Some(at) = judged {
            let from = scope.judged[at].2;
            found[at] = all
                .into_iter()
                .filter(|finding| finding.statement >= from)
                .collect();
        }
    };
    for migration in &scope.members {
        part(migration, PartKind::Up);
        part(migration, PartKind::Backfill);
    }
    for migration in &scope.members {
        part(migration, PartKind::Finish);
    }
    for migration in scope.members.iter().rev() {
        part(migration, PartKind::Undo);
    }
    found
}

fn one_part(walk: &mut Walk<'_>, part: &Part) -> Vec<Finding> {
    walk.kind = part.kind;
    for (at, statement) in part.statements.iter().enumerate() {
        if part.segments.iter().any(|segment| segment.starts_at(at)) {
            walk.transaction = Transaction::default();
        }
        walk.statement = at;
        grammar::statement(walk, &part.file.text, statement.span);
        several(walk, statement.span);
    }
    walk.batch.end_part();
    std::mem::take(&mut walk.found)
}

/// Tells of a transaction that locks several old tables.
fn several(walk: &mut Walk<'_>, span: crate::place::Span) {
    let strong = |(_, lock): &&(_, Lock)| *lock >= Lock::Share;
    let tables: Vec<String> = walk
        .transaction
        .locked
        .iter()
        .filter(strong)
        .map(|(name, _)| shown(name))
        .collect();
    if tables.len() > 1 && !walk.transaction.told_several {
        walk.transaction.told_several = true;
        let message = format!(
            "this transaction holds locks on {} at once",
            tables.join(" and ")
        );
        walk.note(&locks::SEVERAL_LOCKS, span, message);
    }
}
