//! What a statement leaves in the schema, as proof: its post-condition, which decides whether it has taken effect,
//! whatever became of the call.

use super::act::{Act, Change, Column, Create, Name, Object};
use super::schema::{Index, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod holds;
mod refuse;
mod run;

pub use holds::holds;
pub use refuse::refuse;
pub use run::{Sent, joins, taken};

/// What must be so once a statement has taken effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The keyspace whose [`Schema`] tells.
    pub keyspace: String,
    object: Option<Object>,
    want: Want,
    /// IF EXISTS, IF NOT EXISTS, OR REPLACE: a repeat is no error.
    lenient: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Want {
    Table(Box<Create>),
    View(Box<Create>),
    Type(Vec<Column>),
    Index(Box<Create>),
    Function(Box<Create>),
    Trigger(Option<String>),
    Role(bool),
    /// Columns of a table, or fields of a type.
    Added(Vec<Column>),
    Lost(Vec<String>),
    Renamed(Vec<(String, String)>),
    Compact,
    Gone,
    /// Not to be seen, or not worth it: a repeat leaves the same.
    Repeat,
    /// Only `done-when` tells.
    Untold,
}

/// How a claim stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It is as the statement says.
    Yes,
    /// It is not.
    No,
    /// There is something of that name which is not what the statement says, and what it is: one clause, no full stop.
    Differs(String),
    /// The schema does not say.
    Untold,
}

/// How a claim stood before its statement was sent, for the intent. As JSON some dozen bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// How it stood.
    pub holds: Holds,
    /// The ids of the table or view of that name, and the names of the indexes that are alike.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub known: BTreeSet<String>,
}

/// What is to be done about a statement in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect.
    Done,
    /// Send it (again): it did not take effect, or a repeat does no harm, or the server says best what is wrong.
    Again,
    /// Neither: what there is now is not what the statement makes. One clause, no full stop.
    Differs(String),
    /// Only its `done-when` tells.
    Untold,
}

/// The claim of a statement that is sent in a session of this keyspace.
pub fn claim(act: &Act, keyspace: &str) -> Claim {
    let (object, want, lenient) = match act {
        Act::Create(made) => (
            Some(&made.object),
            created(made),
            made.guarded || made.replaces,
        ),
        Act::Alter {
            object,
            guarded,
            change,
        } => {
            let (want, lenient) = changed(object, change);
            (Some(object), want, *guarded || lenient)
        }
        Act::Drop { object, guarded } => {
            let want = match object {
                Object::Role(_) => Want::Role(false),
                Object::Keyspace(_) => Want::Untold,
                _ => Want::Gone,
            };
            (Some(object), want, *guarded)
        }
        Act::Grant { .. } | Act::Revoke { .. } | Act::List | Act::Select { .. } => {
            (None, Want::Repeat, true)
        }
        // A repeat carries the same times, and so writes the same cells.
        Act::Write(_) | Act::Batch(_) => {
            let mut writes = act.writes().iter();
            let same = writes.all(|write| !write.conditional && write.unrepeatable.is_empty());
            (None, if same { Want::Repeat } else { Want::Untold }, same)
        }
        Act::Truncate { .. } | Act::Use { .. } | Act::Other => (None, Want::Untold, false),
    };
    let named = object.and_then(name).and_then(|name| name.keyspace.clone());
    Claim {
        keyspace: named.unwrap_or_else(|| keyspace.to_string()),
        object: object.cloned(),
        want,
        lenient,
    }
}

fn created(made: &Create) -> Want {
    let made = Box::new(made.clone());
    match &made.object {
        Object::Table(_) => Want::Table(made),
        Object::View(_) => Want::View(made),
        Object::Type(_) => Want::Type(made.columns),
        Object::Index { .. } => Want::Index(made),
        // What it calls may be other than before.
        Object::Aggregate { .. } if made.replaces => Want::Repeat,
        Object::Function { .. } | Object::Aggregate { .. } => Want::Function(made),
        Object::Trigger { .. } => Want::Trigger(made.class),
        Object::Role(_) => Want::Role(true),
        Object::Keyspace(_) => Want::Untold,
    }
}

/// What an ALTER leaves, and whether the change itself says IF (NOT) EXISTS.
fn changed(object: &Object, change: &Change) -> (Want, bool) {
    match change {
        Change::Add { columns, guarded } => (Want::Added(columns.clone()), *guarded),
        Change::Drop {
            columns, guarded, ..
        } => (Want::Lost(columns.clone()), *guarded),
        Change::Rename { names, guarded } => (Want::Renamed(names.clone()), *guarded),
        Change::Compact => (Want::Compact, false),
        Change::Options(_) | Change::Mask { .. } => {
            (Want::Repeat, !matches!(object, Object::Keyspace(_)))
        }
        Change::Retype { .. } => (Want::Untold, false),
    }
}

/// The name that says in which keyspace an object is.
fn name(object: &Object) -> Option<&Name> {
    match object {
        Object::Table(name) | Object::Type(name) | Object::View(name) => Some(name),
        Object::Index { name, table, .. } => Some(table.as_ref().unwrap_or(name)),
        Object::Function { name, .. } | Object::Aggregate { name, .. } => Some(name),
        Object::Trigger { table, .. } => Some(table),
        Object::Keyspace(_) | Object::Role(_) => None,
    }
}

/// How a claim stands before its statement is sent. `id` is the id that a table or view is given.
pub fn before(claim: &Claim, id: Option<&str>, schema: &Schema) -> Before {
    Before {
        holds: holds(claim, id, schema),
        known: known(claim, schema),
    }
}

/// What tells one object of a name from another one.
fn known(claim: &Claim, schema: &Schema) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    match (&claim.object, &claim.want) {
        (Some(Object::Table(name)), _) => {
            known.extend(schema.tables.get(&name.name).map(|table| table.id.clone()));
        }
        (Some(Object::View(name)), _) => {
            known.extend(schema.views.get(&name.name).map(|view| view.id.clone()));
        }
        (Some(Object::Index { unnamed: true, .. }), Want::Index(made)) => {
            let alike = |(_, found): &(&String, &Index)| holds::alike(made, found);
            let found = schema.indexes.iter().filter(alike);
            known.extend(found.map(|(name, _)| name.clone()));
        }
        _ => {}
    }
    known
}

/// Decides about a statement of which is not known whether it took effect.
pub fn settle(claim: &Claim, id: Option<&str>, before: &Before, now: &Schema) -> Verdict {
    match claim.want {
        Want::Repeat => return Verdict::Again,
        Want::Untold => return Verdict::Untold,
        _ => {}
    }
    let known = known(claim, now);
    let fresh = known.difference(&before.known).next();
    match (holds(claim, id, now), &claim.want) {
        // Two that are alike but for their kind may stand side by side.
        (Holds::Yes, Want::Index(_)) if fresh.is_some() => Verdict::Done,
        (Holds::Yes, _) if before.holds == Holds::Yes => Verdict::Again,
        (Holds::Yes, _) => Verdict::Done,
        (Holds::No, Want::Gone) if fresh.is_some() => {
            Verdict::Differs("it was dropped, and somebody made one of that name again".to_string())
        }
        (Holds::No, _) => Verdict::Again,
        (Holds::Differs(why), _) => Verdict::Differs(why),
        (Holds::Untold, _) => Verdict::Again,
    }
}

/// Whether nothing is there of what a DROP, or an ALTER that drops, is to take back: an undo may pass it over.
pub fn undone(claim: &Claim, schema: &Schema) -> bool {
    let Some(object) = &claim.object else {
        return false;
    };
    match &claim.want {
        Want::Gone => !holds::is_there(object, schema),
        Want::Role(false) => holds(claim, None, schema) == Holds::Yes,
        Want::Lost(columns) => {
            let table = name(object).and_then(|name| schema.tables.get(&name.name));
            table.is_none_or(|table| !columns.iter().any(|one| table.columns.contains_key(one)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
