//! What recorded migrations dropped for good: an executor that was shut out may still bring it back, late. Pure.
//!
//! Cassandra cannot take back a statement that was sent (traps C4). So a later run looks for what must not be there.

use super::effects::effects;
use super::history::History;
use super::reset::parts;
use super::there::Proof;
use crate::place::Span;
use crate::source::{MigrationSet, Part};
use crate::sql::cut::Segment;
use crate::sql::made::{Effect, Kind, Object, same};

/// An object that is not to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone<'a> {
    /// The object.
    pub object: Object,
    /// The part that dropped it.
    pub part: &'a Part,
    /// The statement that did.
    pub span: Span,
}

/// The objects that statements which are recorded as done dropped or renamed, and that no later one, done or in doubt,
/// made again. What adopted migrations drop is left out: nobody saw them run.
pub fn gone<'a>(set: &'a MigrationSet, history: &History) -> Vec<Gone<'a>> {
    let mut found: Vec<Gone<'a>> = Vec::new();
    for (part, done, proof) in parts(set, history) {
        let in_doubt = part.segments.contains(&Segment::Bare(done));
        for at in 0..done + usize::from(in_doubt) {
            let span = part.span(at).unwrap_or_default();
            for effect in effects(part, at) {
                let sure = at < done && proof == Proof::Made;
                take(effect, sure, &mut found, |object| Gone {
                    object,
                    part,
                    span,
                });
            }
        }
    }
    found
}

fn take<'a>(
    effect: Effect,
    sure: bool,
    found: &mut Vec<Gone<'a>>,
    gone: impl Fn(Object) -> Gone<'a>,
) {
    match effect {
        Effect::Makes(object) => back(found, &object),
        Effect::Drops(object, _) => {
            back(found, &object);
            if sure {
                found.push(gone(object));
            }
        }
        Effect::Renames(object, to) => {
            let mut renamed = object.clone();
            renamed.name.name = to;
            back(found, &renamed);
            back(found, &object);
            if sure {
                found.push(gone(object));
            }
        }
        Effect::Moves(object, _) => back(found, &object),
        Effect::Owns(..) => {}
    }
}

/// Forgets an object that may be there again, or whose whole table is another one.
fn back(found: &mut Vec<Gone<'_>>, object: &Object) {
    found.retain(|gone| {
        let gone = &gone.object;
        let arguments = match (&gone.arguments, &object.arguments) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let is_it = gone.kind == object.kind && gone.matches(object) && arguments;
        let of_it =
            object.kind == Kind::Table && gone.of.as_ref().is_some_and(|of| same(of, &object.name));
        !(is_it || of_it)
    });
}

#[cfg(test)]
mod tests;
