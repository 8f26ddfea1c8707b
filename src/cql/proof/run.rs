//! Statements that only add and share an intent: which may, and how many of them have taken effect.
//!
//! They are sent in their order, each once the one before was acknowledged and all members agree. So what is there of them
//! is a beginning of the run; where one was acknowledged and left nothing, later ones may be there too, and do not count.

use super::{Before, Claim, Verdict, Want, claim, settle};
use crate::cql::act::{Act, Change, Column, Create, Object};
use crate::cql::schema::Schema;

/// One statement of a run, as it was to be sent.
#[derive(Debug, Clone)]
pub struct Sent<'a> {
    /// What it does.
    pub act: &'a Act,
    /// The id that its table was given.
    pub id: Option<String>,
    /// How things stood before the first statement of the run.
    pub before: &'a Before,
}

/// What a statement adds that can be seen in the schema, whatever the next ones add.
enum Adds<'a> {
    Made(&'a Create),
    Columns(&'a Object, &'a [Column]),
}

fn adds(act: &Act) -> Option<Adds<'_>> {
    match act {
        Act::Create(made) if !made.guarded && !made.replaces => match &made.object {
            Object::Table(_) | Object::Type(_) | Object::Index { table: Some(_), .. } => {
                Some(Adds::Made(made))
            }
            _ => None,
        },
        Act::Alter {
            object: object @ (Object::Table(_) | Object::Type(_)),
            guarded: false,
            change:
                Change::Add {
                    columns,
                    guarded: false,
                },
        } => Some(Adds::Columns(object, columns)),
        _ => None,
    }
}

/// Whether a statement may stand behind others of a run: it only adds, to the same keyspace, and nothing that one of them
/// adds already. Its effect then is none of theirs.
pub fn joins(run: &[&Act], next: &Act, keyspace: &str) -> bool {
    let Some(added) = adds(next) else {
        return false;
    };
    run.iter().all(|earlier| {
        adds(earlier).is_some_and(|earlier| apart(&earlier, &added))
            && claim(earlier, keyspace).keyspace == claim(next, keyspace).keyspace
    })
}

/// Whether two statements add different things.
fn apart(one: &Adds<'_>, other: &Adds<'_>) -> bool {
    let shared = |some: &[Column], more: &[Column]| {
        let named = |name: &String| some.iter().any(|column| column.name == *name);
        more.iter().any(|column| named(&column.name))
    };
    match (one, other) {
        (Adds::Made(one), Adds::Made(other)) => match (&one.object, &other.object) {
            (
                Object::Index { name, table, .. },
                Object::Index {
                    name: named,
                    table: on,
                    ..
                },
            ) => name.name != named.name && (table != on || one.targets != other.targets),
            (one, other) => one != other,
        },
        (Adds::Made(made), Adds::Columns(object, columns))
        | (Adds::Columns(object, columns), Adds::Made(made)) => {
            made.object != **object || !shared(&made.columns, columns)
        }
        (Adds::Columns(one, some), Adds::Columns(other, more)) => {
            one != other || !shared(some, more)
        }
    }
}

/// How many statements of a run have taken effect, as a member's schema shows it.
///
/// # Errors
/// What is there is not what the next one makes: which one that is, and what is there, one clause, no full stop.
pub fn taken(run: &[Sent<'_>], keyspace: &str, schema: &Schema) -> Result<usize, (usize, String)> {
    let claims: Vec<Claim> = run.iter().map(|sent| claim(sent.act, keyspace)).collect();
    let verdict = |at: usize, until: usize| {
        let Sent { id, before, .. } = &run[at];
        let more = run[at + 1..until].iter().map(|sent| sent.act);
        settle(&grown(&claims[at], more), id.as_deref(), before, schema)
    };
    let all = |until: usize| (0..until).all(|at| verdict(at, until) == Verdict::Done);
    let taken = (1..=run.len()).rev().find(|until| all(*until)).unwrap_or(0);
    match run.get(taken).map(|_| verdict(taken, taken + 1)) {
        Some(Verdict::Differs(why)) => Err((taken, why)),
        _ => Ok(taken),
    }
}

/// What a statement claims once later ones have added to what it makes.
fn grown<'a>(claim: &Claim, later: impl Iterator<Item = &'a Act>) -> Claim {
    let mut claim = claim.clone();
    for act in later {
        let (Some(Adds::Columns(object, columns)), Some(made)) = (adds(act), &claim.object) else {
            continue;
        };
        if object != made {
            continue;
        }
        match &mut claim.want {
            Want::Table(made) => made.columns.extend_from_slice(columns),
            Want::Type(fields) => fields.extend_from_slice(columns),
            _ => {}
        }
    }
    claim
}

#[cfg(test)]
mod tests;
