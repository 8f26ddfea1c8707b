//! A table as an export sees it: its columns in the order of a row. Pure.

use super::kind::{self, CqlType, Types};
use crate::cql::schema::{self, Schema};
use serde::{Deserialize, Serialize};

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Of the partition key.
    Partition,
    /// A clustering column.
    Clustering,
    /// STATIC.
    Static,
    /// Any other.
    Regular,
}

impl Role {
    /// Whether it is part of the primary key.
    pub fn is_key(self) -> bool {
        matches!(self, Role::Partition | Role::Clustering)
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its type.
    pub kind: CqlType,
    /// Its type as system_schema writes it.
    pub text: String,
    /// Whether each element or field is a cell of its own: a collection or user-defined type that is not frozen.
    pub composed: bool,
}

impl Column {
    /// Reads one.
    ///
    /// # Errors
    /// The type cannot be read.
    pub fn read(name: &str, role: Role, text: &str, types: &Types) -> Result<Self, String> {
        let (kind, frozen) = kind::parse(text, types)?;
        let composed = !frozen && kind.is_composed() && !role.is_key();
        Ok(Column {
            name: name.to_string(),
            role,
            kind,
            text: text.to_string(),
            composed,
        })
    }

    /// Whether a write of it that is done twice leaves something else than one that is done once: of a list or a counter.
    pub fn is_unrepeatable(&self) -> bool {
        self.is_counter() || (self.composed && matches!(self.kind, CqlType::List(_)))
    }

    /// Whether it is a counter, which has no write time and no expiry of its own.
    pub fn is_counter(&self) -> bool {
        self.kind == CqlType::Native(kind::Native::Counter)
    }

    /// Whether its cells have write times.
    pub fn is_timed(&self) -> bool {
        !self.role.is_key() && !self.is_counter()
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its name, unquoted.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its columns: the partition key and the clustering columns in their order, then static and regular ones by name.
    pub columns: Vec<Column>,
}

/// Which rows of a table: they stand in files of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A row for each primary key: the key and the regular columns.
    Rows,
    /// A row for each partition that has a static value: its key and the static columns.
    Statics,
}

impl Shape {
    /// Reads a table of a schema.
    ///
    /// # Errors
    /// A type that cannot be read.
    pub fn read(schema: &Schema, name: &str, table: &schema::Table) -> Result<Self, String> {
        let mut columns = Vec::new();
        for (column, held) in &table.columns {
            // A table of COMPACT STORAGE has a column without values that nobody can ask for.
            if held.kind == "empty" {
                continue;
            }
            let role = match held.role {
                schema::Role::Partition => Role::Partition,
                schema::Role::Clustering => Role::Clustering,
                schema::Role::Static => Role::Static,
                schema::Role::Regular => Role::Regular,
            };
            let read = Column::read(column, role, &held.kind, &schema.types)
                .map_err(|why| format!("{name}.{column}: {why}"))?;
            columns.push((role, held.position, read));
        }
        columns
            .sort_by(|(one, at, a), (other, to, b)| (one, at, &a.name).cmp(&(other, to, &b.name)));
        Ok(Shape {
            name: name.to_string(),
            id: table.id.clone(),
            columns: columns.into_iter().map(|(_, _, column)| column).collect(),
        })
    }

    /// The columns of one of its files, in order.
    pub fn part(&self, part: Part) -> Vec<&Column> {
        let of_part = |column: &&Column| match part {
            Part::Rows => column.role != Role::Static,
            Part::Statics => matches!(column.role, Role::Partition | Role::Static),
        };
        self.columns.iter().filter(of_part).collect()
    }

    /// The columns of a role, in order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns
            .iter()
            .filter(move |column| column.role == role)
    }

    /// Whether it has static columns.
    pub fn has_statics(&self) -> bool {
        self.of(Role::Static).next().is_some()
    }

    /// Whether it has columns that are not written twice without harm, see [`Column::is_unrepeatable`].
    pub fn is_unrepeatable(&self) -> bool {
        self.columns.iter().any(Column::is_unrepeatable)
    }

    /// Whether it counts.
    pub fn is_counter(&self) -> bool {
        self.columns.iter().any(Column::is_counter)
    }
}
