//! A statement that the server refuses in a transaction, with what its run needs to know of its part. Pure.

use crate::place::Place;
use crate::plan::schedule::Unit;
use crate::source::Part;
use crate::sql::{Bare, Class, Statement};

/// A bare statement with what surrounds it.
pub struct Step<'a> {
    /// Its unit.
    pub unit: &'a Unit<'a>,
    /// The unit's place in the run.
    pub index: usize,
    /// The batch.
    pub batch: i64,
    /// The part that it stands in.
    pub part: &'a Part,
    /// The statement itself.
    pub statement: &'a Statement,
    /// What its effect is read back from.
    pub kind: &'a Bare,
    /// Session settings of the part that stand above the statement.
    pub settings: Vec<&'a str>,
}

impl<'a> Step<'a> {
    /// The statement of a bare unit.
    pub fn of(unit: &'a Unit<'a>, index: usize, batch: i64) -> Option<Self> {
        let part = unit.part?;
        let statement = part.statements.get(unit.range.start)?;
        let Class::Bare(kind) = &statement.class else {
            return None;
        };
        let settings = part.statements[..unit.range.start]
            .iter()
            .filter(|statement| statement.class == Class::Session)
            .map(|statement| statement.span.of(&part.file.text))
            .collect();
        Some(Step {
            unit,
            index,
            batch,
            part,
            statement,
            kind,
            settings,
        })
    }

    /// Its text, as it is sent.
    pub fn text(&self) -> &'a str {
        self.statement.span.of(&self.part.file.text)
    }

    /// Whether it waits for old transactions without standing in the application's way: a lock timeout would only kill it
    /// in that wait. A DETACH, a VACUUM FULL or a CLUSTER would queue its lock before the application's (traps P8).
    pub fn waits_without_blocking(&self) -> bool {
        match self.kind {
            Bare::CreateIndex { .. } | Bare::DropIndex { .. } | Bare::Reindex(_) => true,
            Bare::Repeatable | Bare::Detach { .. } | Bare::Opaque => false,
        }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place::span(&self.part.file, self.statement.span)
    }
}
