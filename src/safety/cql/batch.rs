//! What the statements of a batch have made so far, by name: the old version never saw it.
//!
//! Wrongly taking an old object for a new one would call its destruction safe. So IF NOT EXISTS and OR REPLACE make nothing
//! here, an index to which the server gives the name neither, and a name with a keyspace is that of one without only where the
//! session's keyspace is known.

use crate::cql::{Act, Change, Create, Name, Object};
use std::collections::BTreeSet;

/// What was made so far.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    keyspace: Option<String>,
    made: BTreeSet<Key>,
    /// Made by IF NOT EXISTS, or there before.
    perhaps: BTreeSet<Key>,
    columns: BTreeSet<(Key, String)>,
}

/// An object by its kind and name; functions with their arguments, triggers with their table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: &'static str,
    keyspace: Option<String>,
    name: String,
    of: Vec<String>,
}

impl Batch {
    /// An empty one; names without a keyspace are of this one.
    pub fn new(keyspace: Option<&str>) -> Self {
        Batch {
            keyspace: keyspace.map(str::to_string),
            ..Batch::default()
        }
    }

    /// Notes what a statement makes and drops.
    pub fn take(&mut self, act: &Act) {
        match act {
            Act::Create(made) => self.make(made),
            Act::Drop { object, .. } => {
                let gone = self.key(object);
                self.columns.retain(|(table, _)| *table != gone);
                self.made.retain(|made| !is(made, &gone));
                self.perhaps.retain(|made| !is(made, &gone));
            }
            Act::Alter {
                object,
                change:
                    Change::Add {
                        columns,
                        guarded: false,
                    },
                ..
            } => {
                let table = self.key(object);
                let columns = columns.iter();
                self.columns
                    .extend(columns.map(|column| (table.clone(), column.name.clone())));
            }
            Act::Alter {
                object,
                change: Change::Drop { columns, .. },
                ..
            } => {
                let table = self.key(object);
                self.columns
                    .retain(|(of, name)| *of != table || !columns.contains(name));
            }
            _ => {}
        }
    }

    fn make(&mut self, made: &Create) {
        let key = self.key(&made.object);
        let certain = !made.guarded && !made.replaces;
        match certain && !matches!(made.object, Object::Index { unnamed: true, .. }) {
            true => self.made.insert(key),
            false => self.perhaps.insert(key),
        };
    }

    /// Whether a name certainly means an object that the batch made.
    pub fn made(&self, object: &Object) -> bool {
        let key = self.key(object);
        self.made.iter().any(|made| is(made, &key))
    }

    /// [`Batch::made`] of a table.
    pub fn made_table(&self, table: &Name) -> bool {
        self.made(&Object::Table(table.clone()))
    }

    /// Whether a table is most likely new, which is enough where only a note is at stake.
    pub fn likely_made_table(&self, table: &Name) -> bool {
        let key = self.key(&Object::Table(table.clone()));
        self.made.contains(&key) || self.perhaps.contains(&key)
    }

    /// Whether the old version never saw any of these columns.
    pub fn made_columns(&self, object: &Object, columns: &[String]) -> bool {
        let table = self.key(object);
        let mut each = columns.iter();
        each.all(|column| self.columns.contains(&(table.clone(), column.clone())))
    }

    fn key(&self, object: &Object) -> Key {
        let local = |kind: &'static str, name: &str| Key {
            kind,
            keyspace: None,
            name: name.to_string(),
            of: Vec::new(),
        };
        let named = |kind: &'static str, name: &Name| Key {
            keyspace: self.other_keyspace(name),
            ..local(kind, &name.name)
        };
        let called = |kind: &'static str, name: &Name, arguments: &Option<Vec<String>>| Key {
            of: arguments.clone().unwrap_or_default(),
            ..named(kind, name)
        };
        match object {
            Object::Keyspace(name) => local("keyspace", name),
            Object::Role(name) => local("role", name),
            Object::Table(name) => named("table", name),
            Object::View(name) => named("view", name),
            Object::Type(name) => named("type", name),
            Object::Index { name, .. } => named("index", name),
            Object::Function { name, arguments } => called("function", name, arguments),
            Object::Aggregate { name, arguments } => called("aggregate", name, arguments),
            Object::Trigger { name, table } => Key {
                of: vec![name.clone()],
                ..named("trigger", table)
            },
        }
    }

    /// The keyspace of a name, where it is not the session's.
    fn other_keyspace(&self, name: &Name) -> Option<String> {
        let written = name.keyspace.clone();
        written.filter(|keyspace| Some(keyspace) != self.keyspace.as_ref())
    }
}

/// Whether a statement that names `key` means what was made. A function may be dropped without its arguments, where there
/// is only one of that name.
fn is(made: &Key, key: &Key) -> bool {
    let same = (made.kind, &made.keyspace, &made.name) == (key.kind, &key.keyspace, &key.name);
    let any = matches!(key.kind, "function" | "aggregate") && key.of.is_empty();
    same && (any || made.of == key.of)
}
