//! Which statement of CQL trips which rule. Pure.
//!
//! Statements are parsed already ([`crate::cql::Act`]); [`batch`] knows what the batch has made so far, [`statement`] judges
//! one statement, and this module walks the parts in the order in which they run.

mod batch;
mod statement;
pub mod table;

pub use table::TABLE;

use super::{Finding, Known, Scope};
use crate::source::{Migration, PartKind};
use batch::Batch;

/// The findings about the judged parts of a scope, one list per part, in its order.
pub fn findings(scope: &Scope<'_>, known: &Known) -> Vec<Vec<Finding>> {
    let mut walk = Walk {
        scope,
        known,
        batch: Batch::new(known.schema.as_deref()),
        found: scope.judged.iter().map(|_| Vec::new()).collect(),
    };
    for member in &scope.members {
        walk.part(member, PartKind::Up);
        walk.part(member, PartKind::Backfill);
    }
    // A batch is finished or undone, never both.
    let expanded = walk.batch.clone();
    for member in &scope.members {
        walk.part(member, PartKind::Finish);
    }
    walk.batch = expanded;
    for member in scope.members.iter().rev() {
        walk.part(member, PartKind::Undo);
    }
    walk.found
}

struct Walk<'a> {
    scope: &'a Scope<'a>,
    known: &'a Known,
    batch: Batch,
    found: Vec<Vec<Finding>>,
}

impl Walk<'_> {
    fn part(&mut self, migration: &Migration, kind: PartKind) {
        let Some(part) = migration.part(kind) else {
            return;
        };
        let mut judged = self.scope.judged.iter().zip(&mut self.found);
        let mut list = judged.find_map(|(&(of, which, from), list)| {
            let this = which == kind && std::ptr::eq(of, migration);
            this.then_some((from, list))
        });
        for (at, statement) in part.cql.iter().enumerate() {
            if let Some((from, list)) = &mut list
                && at >= *from
            {
                let place = (kind, part.file.text.as_str());
                list.extend(statement::findings(
                    &self.batch,
                    self.known,
                    place,
                    (at, statement),
                ));
            }
            self.batch.take(&statement.act);
        }
    }
}

#[cfg(test)]
mod tests;
