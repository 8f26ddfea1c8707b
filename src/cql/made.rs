//! What a statement makes, drops or renames by name, in the words that both languages share.

use super::act::{Act, Change, Column, Name, Object};
use crate::sql::Name as Shared;
use crate::sql::made::{Effect, Kind, Object as Named};

/// What a statement does to objects that it names, in order. An index to which the server gives a name has none here.
pub fn effects(act: &Act) -> Vec<Effect> {
    match act {
        Act::Create(made) => {
            let Some(object) = named(&made.object) else {
                return Vec::new();
            };
            let of_table = matches!(made.object, Object::Table(_));
            let columns = if of_table {
                made.columns.as_slice()
            } else {
                &[]
            };
            let columns = added(&object.name, columns);
            std::iter::once(Effect::Makes(object))
                .chain(columns)
                .collect()
        }
        Act::Drop { object, .. } => {
            let object = named(object).into_iter();
            object.map(|object| Effect::Drops(object, false)).collect()
        }
        Act::Alter {
            object: Object::Table(table),
            change,
            ..
        } => {
            let table = shared(table);
            match change {
                Change::Add { columns, .. } => added(&table, columns),
                Change::Drop { columns, .. } => {
                    let columns = columns.iter();
                    columns
                        .map(|name| Effect::Drops(column(&table, name), false))
                        .collect()
                }
                Change::Rename { names, .. } => {
                    let names = names.iter();
                    names
                        .map(|(from, to)| Effect::Renames(column(&table, from), to.clone()))
                        .collect()
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Whether a statement that ran proves that it made what it names: not where it takes what is there already.
pub fn proves(act: &Act) -> bool {
    match act {
        Act::Create(made) => !made.guarded && !made.replaces,
        Act::Alter {
            guarded, change, ..
        } => !guarded && !matches!(change, Change::Add { guarded: true, .. }),
        _ => true,
    }
}

/// What an ALTER changes, or what an index without a name goes with.
pub fn altered(act: &Act) -> Option<Named> {
    match act {
        Act::Alter { object, .. } => named(object),
        Act::Create(made) => match &made.object {
            Object::Index {
                unnamed: true,
                table: Some(table),
                ..
            } => Some(Named::table(shared(table))),
            _ => None,
        },
        _ => None,
    }
}

/// The object in the shared words; none of a keyspace, a role, and an index that the server names.
fn named(object: &Object) -> Option<Named> {
    let called = |kind, name: &Name, arguments: &Option<Vec<String>>| Named {
        arguments: arguments.clone(),
        ..Named::new(kind, shared(name))
    };
    Some(match object {
        Object::Table(name) => Named::table(shared(name)),
        Object::View(name) => Named::new(Kind::MaterializedView, shared(name)),
        Object::Type(name) => Named::new(Kind::Type, shared(name)),
        Object::Index { unnamed: true, .. } => return None,
        Object::Index {
            name,
            table: Some(table),
            ..
        } => Named::of(Kind::Index, shared(name), &shared(table)),
        Object::Index { name, .. } => Named::new(Kind::Index, shared(name)),
        Object::Function { name, arguments } => called(Kind::Function, name, arguments),
        Object::Aggregate { name, arguments } => called(Kind::Aggregate, name, arguments),
        Object::Trigger { name, table } => {
            let name = Shared {
                schema: None,
                name: name.clone(),
            };
            Named::of(Kind::Trigger, name, &shared(table))
        }
        Object::Keyspace(_) | Object::Role(_) => return None,
    })
}

fn shared(name: &Name) -> Shared {
    Shared {
        schema: name.keyspace.clone(),
        name: name.name.clone(),
    }
}

fn column(table: &Shared, name: &str) -> Named {
    let name = Shared {
        schema: None,
        name: name.to_string(),
    };
    Named::of(Kind::Column, name, table)
}

fn added(table: &Shared, columns: &[Column]) -> Vec<Effect> {
    let columns = columns.iter();
    columns
        .map(|one| Effect::Makes(column(table, &one.name)))
        .collect()
}
