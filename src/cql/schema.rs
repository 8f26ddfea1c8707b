//! What system_schema says of one keyspace, as one member sees it.

use super::act::Target;
use super::cursor::{Cursor, significant};
use super::{kind, parse};
use crate::place::Span;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// One keyspace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    /// Its name.
    pub keyspace: String,
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
    /// Materialized views by name.
    pub views: BTreeMap<String, View>,
    /// User-defined types by name: their fields in order, each with its type.
    pub types: BTreeMap<String, Vec<(String, String)>>,
    /// Indexes by name, which is taken once in a keyspace.
    pub indexes: BTreeMap<String, Index>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Aggregates, which have no body.
    pub aggregates: Vec<Function>,
    /// Triggers by table and name, each with its class.
    pub triggers: BTreeMap<(String, String), String>,
    /// The roles of the cluster, where they could be read.
    pub roles: Option<BTreeSet<String>>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Its id, in small letters.
    pub id: String,
    /// Its columns by name.
    pub columns: BTreeMap<String, Held>,
    /// `compound`, `counter`, `dense`, `super`.
    pub flags: BTreeSet<String>,
    /// Options by name; what is no text as JSON.
    pub options: BTreeMap<String, String>,
    /// Columns that were dropped, and may be there again.
    pub dropped: BTreeMap<String, Dropped>,
}

/// A column of a table or view.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// What it is for.
    pub role: Role,
    /// Its place in the partition key, or among the clustering columns; -1 for others.
    pub position: i64,
    /// Its type as the server shows it.
    pub kind: String,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A column that was dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropped {
    /// What it was for.
    pub role: Role,
    /// Its type; user-defined types are tuples here.
    pub kind: String,
    /// Milliseconds since 1970: what was written to the column until then is not to be seen any more.
    pub time: i64,
}

/// A materialized view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Its id, in small letters.
    pub id: String,
    /// The table that it shows.
    pub base: String,
    /// Its columns by name.
    pub columns: BTreeMap<String, Held>,
}

/// An index.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its table.
    pub table: String,
    /// `target`, `class_name` and the options of a custom one.
    pub options: BTreeMap<String, String>,
}

/// A function or aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Types of its arguments.
    pub arguments: Vec<String>,
    /// The text of a function.
    pub body: String,
}

/// The tables of system_schema that are read, and which of their columns; [`ROLES`] stands in system_auth.
const SOURCES: [(&str, &str); 9] = [
    ("tables", "*"),
    ("views", "*"),
    ("columns", "table_name, column_name, kind, position, type"),
    (
        "dropped_columns",
        "table_name, column_name, kind, type, toUnixTimestamp(dropped_time) AS dropped_time",
    ),
    ("types", "type_name, field_names, field_types"),
    ("indexes", "table_name, index_name, options"),
    ("functions", "function_name, argument_types, body"),
    ("aggregates", "aggregate_name, argument_types"),
    ("triggers", "table_name, trigger_name, options"),
];

/// The source of roles, whose query is [`ROLES_QUERY`]; a user may not be allowed to read it.
pub const ROLES: &str = "roles";

/// Reads the roles.
pub const ROLES_QUERY: &str = "SELECT JSON role FROM system_auth.roles";

/// What is to be asked of a member, each with the name of its source: the answers, one text a row, are what
/// [`Schema::read`] takes.
pub fn queries(keyspace: &str) -> Vec<(&'static str, String)> {
    let literal = keyspace.replace('\'', "''");
    let sources = SOURCES.iter().map(|(table, columns)| {
        let query = format!(
            "SELECT JSON {columns} FROM system_schema.{table} WHERE keyspace_name = '{literal}'"
        );
        (*table, query)
    });
    sources.collect()
}

impl Schema {
    /// Makes one of the rows that answered [`queries`], each with the name of its source.
    ///
    /// # Errors
    /// The first row that is not as Cassandra 4.0 to 5.0 write it.
    pub fn read<'a>(
        keyspace: &str,
        rows: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Schema, String> {
        let mut schema = Schema {
            keyspace: keyspace.to_string(),
            ..Schema::default()
        };
        // Columns come to their table whatever order the sources have.
        let mut rest = Vec::new();
        for (source, text) in rows {
            let wrong = || format!("a row of {source} cannot be read: {text}");
            let row: Row = Row(serde_json::from_str(text).map_err(|_| wrong())?);
            match source {
                "columns" | "dropped_columns" => rest.push((source, text, row)),
                _ => schema.take(source, &row).ok_or_else(wrong)?,
            }
        }
        for (source, text, row) in rest {
            let wrong = || format!("a row of {source} cannot be read: {text}");
            schema.take_column(source, &row).ok_or_else(wrong)?;
        }
        Ok(schema)
    }

    fn take(&mut self, source: &str, row: &Row) -> Option<()> {
        match source {
            "tables" => {
                let table = Table {
                    id: row.text("id")?.to_ascii_lowercase(),
                    flags: row.list("flags")?.into_iter().collect(),
                    options: row.options(&["keyspace_name", "table_name", "id", "flags"]),
                    ..Table::default()
                };
                self.tables.insert(row.text("table_name")?, table);
            }
            "views" => {
                let view = View {
                    id: row.text("id")?.to_ascii_lowercase(),
                    base: row.text("base_table_name")?,
                    ..View::default()
                };
                self.views.insert(row.text("view_name")?, view);
            }
            "types" => {
                let names = row.list("field_names")?.into_iter();
                let fields = names.zip(row.list("field_types")?).collect();
                self.types.insert(row.text("type_name")?, fields);
            }
            "indexes" => {
                let index = Index {
                    table: row.text("table_name")?,
                    options: row.map("options")?,
                };
                self.indexes.insert(row.text("index_name")?, index);
            }
            "functions" => self.functions.push(Function {
                name: row.text("function_name")?,
                arguments: row.list("argument_types")?,
                body: row.text("body")?,
            }),
            "aggregates" => self.aggregates.push(Function {
                name: row.text("aggregate_name")?,
                arguments: row.list("argument_types")?,
                body: String::new(),
            }),
            "triggers" => {
                let class = row.map("options")?.remove("class").unwrap_or_default();
                let name = (row.text("table_name")?, row.text("trigger_name")?);
                self.triggers.insert(name, class);
            }
            ROLES => {
                let role = row.text("role")?;
                self.roles.get_or_insert_default().insert(role);
            }
            _ => return None,
        }
        Some(())
    }

    fn take_column(&mut self, source: &str, row: &Row) -> Option<()> {
        let (table, name) = (row.text("table_name")?, row.text("column_name")?);
        let role = match row.text("kind")?.as_str() {
            "partition_key" => Role::Partition,
            "clustering" => Role::Clustering,
            "static" => Role::Static,
            "regular" => Role::Regular,
            _ => return None,
        };
        let kind = row.text("type")?;
        if source == "dropped_columns" {
            let time = row.number("dropped_time")?;
            // One of a table that is dropped between two of the queries is no matter.
            if let Some(table) = self.tables.get_mut(&table) {
                table.dropped.insert(name, Dropped { role, kind, time });
            }
            return Some(());
        }
        let position = row.number("position")?;
        let held = Held {
            role,
            position,
            kind,
        };
        let of_table = self.tables.get_mut(&table).map(|table| &mut table.columns);
        let of_view = self.views.get_mut(&table).map(|view| &mut view.columns);
        if let Some(columns) = of_table.or(of_view) {
            columns.insert(name, held);
        }
        Some(())
    }

    /// The function or aggregate of that name and those arguments, where these are given; else any of that name.
    pub(super) fn called<'a>(
        &self,
        all: &'a [Function],
        name: &str,
        arguments: Option<&[String]>,
    ) -> Option<&'a Function> {
        all.iter().find(|found| {
            found.name == name
                && arguments.is_none_or(|wanted| {
                    let pairs = found.arguments.iter().zip(wanted);
                    found.arguments.len() == wanted.len()
                        && pairs
                            .into_iter()
                            .all(|(a, b)| kind::same_argument(a, b, &self.keyspace))
                })
        })
    }
}

impl Index {
    /// What it is on, where that is one column.
    pub fn target(&self) -> Option<Target> {
        let text = self.options.get("target")?;
        let tokens = significant(text, Span::new(0, text.len()));
        let mut cursor = Cursor::new(text, &tokens);
        let target = parse::target(&mut cursor)?;
        cursor.at_end().then_some(target)
    }
}

/// The names of the columns of one role, in order.
pub(super) fn key(columns: &BTreeMap<String, Held>, role: Role) -> Vec<&str> {
    let mut found: Vec<_> = columns
        .iter()
        .filter(|(_, held)| held.role == role)
        .collect();
    found.sort_by_key(|(_, held)| held.position);
    found.into_iter().map(|(name, _)| name.as_str()).collect()
}

/// A row as JSON.
struct Row(Map<String, Value>);

impl Row {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_string)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// A list or set of texts; the server shows an empty set as null.
    fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.0.get(name)? {
            Value::Null => Some(Vec::new()),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_string))
                .collect(),
            _ => None,
        }
    }

    /// A map of texts; an empty one is null.
    fn map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        match self.0.get(name)? {
            Value::Null => Some(BTreeMap::new()),
            Value::Object(items) => {
                let text = |(name, value): (&String, &Value)| {
                    Some((name.clone(), value.as_str()?.to_string()))
                };
                items.iter().map(text).collect()
            }
            _ => None,
        }
    }

    fn options(&self, except: &[&str]) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_string);
        let all = self.0.iter();
        all.filter(|(name, value)| !except.contains(&name.as_str()) && !value.is_null())
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }
}
