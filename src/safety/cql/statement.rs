//! One statement: which rules it trips, given what the batch has made so far.

use super::batch::Batch;
use super::table as rules;
use crate::cql::{self, Act, Change, Create, Name, Object, Statement, Write, WriteVerb};
use crate::place::Span;
use crate::safety::{Finding, Known, Rule};
use crate::source::{PartKind, head};

/// Looks at one statement.
struct Look<'a> {
    batch: &'a Batch,
    known: &'a Known,
    kind: PartKind,
    at: usize,
    span: Span,
    found: Vec<Finding>,
}

/// The findings about a statement, which is the `at`th of a part of this kind with this text.
pub fn findings(
    batch: &Batch,
    known: &Known,
    (kind, text): (PartKind, &str),
    (at, statement): (usize, &Statement),
) -> Vec<Finding> {
    let mut look = Look {
        batch,
        known,
        kind,
        at,
        span: head(text, statement.span),
        found: Vec::new(),
    };
    match &statement.act {
        Act::Create(made) => look.create(made),
        Act::Alter { object, change, .. } => look.alter(object, change),
        Act::Drop { object, .. } => look.drop(object),
        Act::Revoke { from } if !batch.made(&Object::Role(from.clone())) => {
            look.find(&rules::REVOKE, format!("takes rights from {from}"));
        }
        Act::Truncate { table } if !batch.made_table(table) => {
            look.find(
                &rules::TRUNCATE,
                format!("deletes every row of {}", shown(table)),
            );
        }
        Act::Other => look.find(
            &rules::NOT_UNDERSTOOD,
            "kmig does not understand this statement".into(),
        ),
        act => act
            .writes()
            .iter()
            .for_each(|write| look.write(text, write)),
    }
    look.found
}

impl Look<'_> {
    fn find(&mut self, rule: &'static Rule, message: String) {
        let finding = Finding::new(rule, self.at, self.span, message);
        self.found.push(finding);
    }

    fn note(&mut self, rule: &'static Rule, message: String) {
        let finding = Finding::new(rule, self.at, self.span, message);
        self.found.push(finding.note());
    }

    fn create(&mut self, made: &Create) {
        match &made.object {
            Object::Index {
                table: Some(table), ..
            } if !self.batch.likely_made_table(table) => {
                self.note(
                    &rules::INDEX_BUILD,
                    format!("reads all of {}", shown(table)),
                );
            }
            Object::View(view) => {
                let base = made.base.as_ref().unwrap_or(view);
                if !self.batch.likely_made_table(base) {
                    self.note(&rules::VIEW_BUILD, format!("reads all of {}", shown(base)));
                }
            }
            Object::Trigger { table, .. } if !self.batch.made_table(table) => {
                let message = format!("runs inside every write to {}", shown(table));
                self.find(&rules::CREATE_TRIGGER, message);
            }
            Object::Function { name, .. } | Object::Aggregate { name, .. }
                if made.replaces && !self.batch.made(&made.object) && !self.absent(name) =>
            {
                self.find(
                    &rules::REPLACE_FUNCTION,
                    format!("replaces {}", shown(name)),
                );
            }
            _ => {}
        }
    }

    /// Whether no function of that name is known to be there.
    fn absent(&self, name: &Name) -> bool {
        let keyspace = name.keyspace.as_ref().or(self.known.schema.as_ref());
        match (&self.known.functions, keyspace) {
            (Some(functions), Some(keyspace)) => {
                !functions.contains(&(keyspace.clone(), name.name.clone()))
            }
            _ => false,
        }
    }

    fn alter(&mut self, object: &Object, change: &Change) {
        if self.batch.made(object) {
            return;
        }
        let whole = called(object);
        match (object, change) {
            (Object::Role(_), _) => self.find(&rules::ALTER_ROLE, format!("changes {whole}")),
            (Object::Keyspace(_), _) => {
                self.find(&rules::CHANGE_KEYSPACE, format!("changes {whole}"));
            }
            (Object::Type(_), Change::Add { .. }) => {
                self.note(&rules::TYPE_GROWS, format!("adds a field to {whole}"));
            }
            (Object::Table(table), Change::Add { columns, .. }) => {
                let added: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
                let message = format!("adds {} to {whole}", added.join(", "));
                match self.star(table) {
                    true => {
                        let message = format!("{message}, of which somebody has prepared SELECT *");
                        self.find(&rules::PREPARED_SELECT_STAR, message);
                    }
                    false => self.note(&rules::PREPARED_SELECT_STAR, message),
                }
            }
            (_, Change::Drop { columns, .. }) if self.batch.made_columns(object, columns) => {}
            (_, Change::Drop { columns, .. }) => {
                let message = format!("drops {} of {whole}", columns.join(", "));
                self.find(&rules::DROP_COLUMN, message);
            }
            (_, Change::Rename { names, .. }) => {
                let names: Vec<&str> = names.iter().map(|(from, _)| from.as_str()).collect();
                let message = format!("renames {} of {whole}", names.join(", "));
                match object {
                    Object::Type(_) => self.find(&rules::RENAME_FIELD, message),
                    _ => self.find(&rules::RENAME_COLUMN, message),
                }
            }
            (_, Change::Retype { column }) => self.find(
                &rules::CHANGE_COLUMN_TYPE,
                format!("changes the type of {column} of {whole}"),
            ),
            (_, Change::Mask { column }) => self.find(
                &rules::MASK_COLUMN,
                format!("changes who may read {column} of {whole}"),
            ),
            (_, Change::Compact) => {
                self.find(&rules::DROP_COMPACT_STORAGE, format!("changes {whole}"));
            }
            (_, Change::Options(names)) => {
                let message = format!("changes {} of {whole}", names.join(", "));
                self.find(&rules::CHANGE_OPTIONS, message);
            }
            (_, Change::Add { .. }) => {
                let message = format!("kmig does not know what this adds to {whole}");
                self.find(&rules::NOT_UNDERSTOOD, message);
            }
        }
    }

    /// Whether two names may mean one table.
    fn same(&self, one: &Name, other: &Name) -> bool {
        let keyspace = |name: &Name| name.keyspace.clone().or(self.known.schema.clone());
        let apart = keyspace(one)
            .zip(keyspace(other))
            .is_some_and(|(one, other)| one != other);
        one.name == other.name && !apart
    }

    /// Whether a query that was seen asks for all columns of a table.
    fn star(&self, table: &Name) -> bool {
        self.known.queries.iter().any(|query| {
            let script = cql::split(query);
            let mut selects = script.statements.iter();
            selects.any(|found| match &found.act {
                Act::Select { table: read } => {
                    self.same(read, table) && cql::selects_all(query, found.span)
                }
                _ => false,
            })
        })
    }

    fn drop(&mut self, object: &Object) {
        if self.batch.made(object) {
            return;
        }
        let rule = match object {
            Object::Table(_) | Object::Keyspace(_) => &rules::DROP_TABLE,
            Object::View(_) => &rules::DROP_VIEW,
            Object::Type(_) => &rules::DROP_TYPE,
            Object::Index { .. } => &rules::DROP_INDEX,
            Object::Function { .. } | Object::Aggregate { .. } => &rules::DROP_FUNCTION,
            Object::Trigger { .. } => &rules::DROP_TRIGGER,
            Object::Role(_) => &rules::DROP_ROLE,
        };
        self.find(rule, format!("drops {}", called(object)));
    }

    fn write(&mut self, text: &str, write: &Write) {
        if self.batch.made_table(&write.table) {
            return;
        }
        let table = shown(&write.table);
        let whole = std::mem::replace(&mut self.span, head(text, write.span));
        if write.verb == WriteVerb::Delete {
            self.find(&rules::DELETE_ROWS, format!("deletes from {table}"));
        }
        for &removed in &write.removes {
            self.span = removed;
            self.find(
                &rules::REMOVES_VALUES,
                format!("takes values of {table} away"),
            );
        }
        self.span = head(text, write.span);
        if self.kind == PartKind::Backfill && !write.conditional {
            let message = format!("finish cannot find the rows of {table} that it misses");
            self.note(&rules::UNGUARDED_BACKFILL, message);
        }
        self.span = whole;
    }
}

fn shown(name: &Name) -> String {
    match &name.keyspace {
        Some(keyspace) => format!("{keyspace}.{}", name.name),
        None => name.name.clone(),
    }
}

/// An object as people read it.
fn called(object: &Object) -> String {
    match object {
        Object::Keyspace(name) => format!("keyspace {name}"),
        Object::Role(name) => format!("role {name}"),
        Object::Table(name) => shown(name),
        Object::View(name) => format!("view {}", shown(name)),
        Object::Type(name) => format!("type {}", shown(name)),
        Object::Index { name, .. } => format!("index {}", shown(name)),
        Object::Function { name, .. } => format!("function {}", shown(name)),
        Object::Aggregate { name, .. } => format!("aggregate {}", shown(name)),
        Object::Trigger { name, table } => format!("trigger {name} of {}", shown(table)),
    }
}
