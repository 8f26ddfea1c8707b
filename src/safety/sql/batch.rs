//! What the statements of a batch have made so far, by name: the old version never saw it.
//!
//! Wrongly taking an old object for a new one would call its destruction safe. So a name counts only where it is certain
//! which object it means: IF NOT EXISTS and OR REPLACE make nothing here, names without a schema belong to the first
//! schema of the search path as it is at that statement, and what a block makes counts only inside of it.

use crate::sql::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What shares one set of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// Tables, views, sequences, indexes.
    Relation,
    /// Types and domains.
    Type,
    /// Functions, procedures, aggregates.
    Function,
    /// Schemas.
    Schema,
    /// Roles.
    Role,
    /// Everything else, by its kind.
    Other(&'static str),
}

/// A name with its schema; without one it is of the schema that is first where nobody changed the search path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The schema.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

/// The search path, as far as a text shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Path {
    /// As the session began.
    #[default]
    Session,
    /// This schema is first.
    First(String),
    /// Nobody knows.
    Unknown,
}

/// A function that the batch makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routine {
    /// Its whole CREATE.
    pub text: String,
    /// The arguments as they are written, in small letters.
    pub arguments: Vec<String>,
    /// The search path at its CREATE and in its SET clause, if that names one.
    pub path: Option<Path>,
}

/// The schema of temporary objects.
const TEMPORARY: &str = "pg_temp";

/// What was made so far.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    default: Option<String>,
    /// The search path now.
    pub path: Path,
    objects: BTreeSet<(Space, Key)>,
    columns: BTreeSet<(Key, String)>,
    attached: BTreeSet<(Key, &'static str, String)>,
    /// CHECK (column IS NOT NULL) constraints: by table and name, with the column and whether it was validated.
    pub not_null: BTreeMap<(Key, String), (String, bool)>,
    /// Columns of the batch in old tables that have a default.
    pub defaulted: BTreeSet<(Key, String)>,
    /// Columns of the batch in old tables that are NOT NULL.
    pub required: BTreeSet<(Key, String)>,
    /// Functions, by name.
    pub routines: BTreeMap<Key, Vec<Routine>>,
    /// Domains with a constraint.
    pub checked_domains: BTreeSet<Key>,
}

impl Batch {
    /// An empty one; `default` is the schema that names without one belong to.
    pub fn new(default: Option<&str>) -> Self {
        Batch {
            default: default.map(str::to_string),
            ..Batch::default()
        }
    }

    /// The key of a name as a statement means it now; none where that is not certain.
    pub fn key(&self, space: Space, name: &Name) -> Option<Key> {
        let schema = match (&name.schema, &self.path) {
            _ if matches!(space, Space::Schema | Space::Role) => None,
            (Some(schema), _) => Some(schema.clone()),
            (None, _) if self.is_temporary(space, &name.name) => Some(TEMPORARY.to_string()),
            (None, Path::Session) => self.default.clone(),
            (None, Path::First(schema)) => Some(schema.clone()),
            (None, Path::Unknown) => return None,
        };
        Some(Key {
            schema,
            name: name.name.clone(),
        })
    }

    fn is_temporary(&self, space: Space, name: &str) -> bool {
        self.objects.contains(&(space, Self::temporary_key(name)))
    }

    fn temporary_key(name: &str) -> Key {
        Key {
            schema: Some(TEMPORARY.to_string()),
            name: name.to_string(),
        }
    }

    /// Notes an object that was certainly not there before.
    pub fn make(&mut self, space: Space, name: &Name) {
        if let Some(key) = self.key(space, name) {
            self.objects.insert((space, key));
        }
    }

    /// Notes a temporary relation, which stands before all others of its name.
    pub fn make_temporary(&mut self, name: &Name) {
        let key = Self::temporary_key(&name.name);
        self.objects.insert((Space::Relation, key));
    }

    /// What is temporary may be gone with the session that ran a part.
    pub fn end_part(&mut self) {
        let temporary = |key: &Key| key.schema.as_deref() == Some(TEMPORARY);
        self.objects.retain(|(_, key)| !temporary(key));
        self.path = Path::Session;
    }

    /// Whether a name certainly means an object that the batch made.
    pub fn made(&self, space: Space, name: &Name) -> bool {
        self.key(space, name)
            .is_some_and(|key| self.has(space, &key))
    }

    fn has(&self, space: Space, key: &Key) -> bool {
        let in_made_schema = key.schema.as_ref().is_some_and(|schema| {
            let schema = Key {
                schema: None,
                name: schema.clone(),
            };
            self.objects.contains(&(Space::Schema, schema))
        });
        in_made_schema || self.objects.contains(&(space, key.clone()))
    }

    /// Takes out what was dropped or is called otherwise.
    pub fn forget(&mut self, space: Space, name: &Name) {
        let Some(key) = self.key(space, name) else {
            return;
        };
        if space == Space::Relation {
            self.columns.retain(|(table, _)| *table != key);
            self.attached.retain(|(table, ..)| *table != key);
            self.not_null.retain(|(table, _), _| *table != key);
        }
        if space == Space::Function {
            self.routines.remove(&key);
        }
        self.objects.remove(&(space, key));
    }

    /// Notes a column of a table that was there before.
    pub fn make_column(&mut self, table: &Name, column: &str) {
        if let Some(key) = self.key(Space::Relation, table) {
            self.columns.insert((key, column.to_string()));
        }
    }

    /// Whether the old version never saw a column.
    pub fn made_column(&self, table: &Name, column: &str) -> bool {
        self.made(Space::Relation, table)
            || self
                .key(Space::Relation, table)
                .is_some_and(|key| self.columns.contains(&(key, column.to_string())))
    }

    /// Takes a column out.
    pub fn forget_column(&mut self, table: &Name, column: &str) {
        if let Some(key) = self.key(Space::Relation, table) {
            self.columns.remove(&(key, column.to_string()));
        }
    }

    /// Notes a constraint, trigger, policy or rule of a table.
    pub fn attach(&mut self, table: &Name, kind: &'static str, name: &str) {
        if let Some(key) = self.key(Space::Relation, table) {
            self.attached.insert((key, kind, name.to_string()));
        }
    }

    /// Whether the batch made a constraint, trigger, policy or rule of a table.
    pub fn attached(&self, table: &Name, kind: &'static str, name: &str) -> bool {
        self.made(Space::Relation, table)
            || self
                .key(Space::Relation, table)
                .is_some_and(|key| self.attached.contains(&(key, kind, name.to_string())))
    }

    /// Takes it out.
    pub fn detach(&mut self, table: &Name, kind: &'static str, name: &str) {
        if let Some(key) = self.key(Space::Relation, table) {
            self.attached.remove(&(key.clone(), kind, name.to_string()));
            self.not_null.remove(&(key, name.to_string()));
        }
    }

    /// Whether a validated CHECK shows that a column has no NULL.
    pub fn shown_not_null(&self, table: &Name, column: &str) -> bool {
        let Some(key) = self.key(Space::Relation, table) else {
            return false;
        };
        self.not_null
            .iter()
            .any(|((of, _), (over, validated))| *of == key && over == column && *validated)
    }
}
