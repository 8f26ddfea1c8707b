//! Reads from members what their schema says of one object.

use super::fault::Fault;
use super::members::Member;
use super::names::literal;
use super::query::Sender;
use crate::cql::proof::claim;
use crate::cql::schema::{ROLES, ROLES_QUERY, Schema, queries};
use crate::cql::{Act, Object};
use crate::error::{Error, Result};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The object that a statement makes, changes or drops.
pub fn object(act: &Act) -> Option<&Object> {
    match act {
        Act::Create(made) => Some(&made.object),
        Act::Alter { object, .. } | Act::Drop { object, .. } => Some(object),
        _ => None,
    }
}

/// The objects of some statements, all of one keyspace, and which that is: `own` where they do not say.
pub fn objects<'a>(acts: impl Iterator<Item = &'a Act>, own: &str) -> (String, Vec<&'a Object>) {
    let mut keyspace = None;
    let mut objects = Vec::new();
    for act in acts {
        keyspace.get_or_insert_with(|| claim(act, own).keyspace);
        objects.extend(object(act));
    }
    (keyspace.unwrap_or_else(|| own.to_string()), objects)
}

/// What one member has of some objects of a keyspace; everything of the keyspace where none is named.
///
/// # Errors
/// It does not answer, or tells what kmig cannot read.
pub async fn of(
    sender: &Sender,
    member: Uuid,
    keyspace: &str,
    objects: &[&Object],
) -> Result<Schema> {
    let wanted: Vec<_> = objects.iter().flat_map(|object| sources(object)).collect();
    let mut asked = Vec::new();
    for (source, query) in queries(keyspace) {
        let of_source = wanted.iter().filter(|(name, _)| *name == source);
        let clause = match objects {
            [] => Some(String::new()),
            _ => narrowed(of_source.map(|(_, rows)| *rows)),
        };
        if let Some(clause) = clause {
            asked.push((source, format!("{query}{clause}")));
        }
    }
    if objects
        .iter()
        .any(|object| matches!(object, Object::Role(_)))
    {
        asked.push((ROLES, ROLES_QUERY.to_string()));
    }
    let answers = asked.iter().map(|(source, query)| async move {
        // Roles stand in an ordinary table, and a replica may lag behind.
        let rows = match *source {
            ROLES => sender.read(query).await,
            _ => sender.ask_member(member, query, sender.timeout).await,
        };
        let rows = match rows {
            Ok(rows) => rows,
            // A role that may not read the others: what became of theirs stays untold.
            Err(fault) if *source == ROLES && fault.is(super::fault::UNAUTHORIZED) => {
                return Ok(Vec::new());
            }
            Err(fault) => return Err(fault),
        };
        let texts = rows.iter().filter_map(|row| row.text("[json]"));
        Ok(texts.map(|text| (*source, text.to_string())).collect())
    });
    let rows: Vec<Vec<(&str, String)>> = try_join_all(answers).await.map_err(Fault::error)?;
    let rows = rows
        .iter()
        .flatten()
        .map(|(source, text)| (*source, text.as_str()));
    Schema::read(keyspace, rows).map_err(Error::failed)
}

/// What every member has of some objects.
///
/// # Errors
/// As [`of`].
pub async fn of_all(
    sender: &Sender,
    members: &[Member],
    keyspace: &str,
    objects: &[&Object],
) -> Result<Vec<Schema>> {
    let asked = members
        .iter()
        .map(|member| of(sender, member.id, keyspace, objects));
    try_join_all(asked).await
}

/// The rows of a table of system_schema that tell of an object: those where a column has a value, or all.
type Rows<'a> = Option<(&'static str, &'a str)>;

/// What narrows a query to some rows; nothing where none is wanted.
fn narrowed<'a>(rows: impl Iterator<Item = Rows<'a>>) -> Option<String> {
    let mut wanted: Option<(&str, BTreeSet<String>)> = None;
    for rows in rows {
        let Some((column, value)) = rows else {
            return Some(String::new());
        };
        // Each table is narrowed by one column, whatever the object.
        let (_, values) = wanted.get_or_insert_with(|| (column, BTreeSet::new()));
        values.insert(literal(value));
    }
    let (column, values) = wanted?;
    let values: Vec<String> = values.into_iter().collect();
    Some(format!(" AND {column} IN ({})", values.join(", ")))
}

/// The tables of system_schema that tell of an object, each with the rows of it: a keyspace may have thousands of others.
fn sources(object: &Object) -> Vec<(&'static str, Rows<'_>)> {
    fn of_table<'a>(sources: &[&'static str], table: &'a str) -> Vec<(&'static str, Rows<'a>)> {
        let each = sources.iter();
        each.map(|source| (*source, Some(("table_name", table))))
            .collect()
    }
    match object {
        Object::Table(name) => of_table(&["tables", "columns", "dropped_columns"], &name.name),
        Object::View(name) => vec![
            ("views", Some(("view_name", &name.name))),
            ("columns", Some(("table_name", &name.name))),
        ],
        Object::Type(name) => vec![("types", Some(("type_name", &name.name)))],
        Object::Index {
            table: Some(table), ..
        } => {
            let mut sources = of_table(&["tables", "columns"], &table.name);
            // Its name is taken once in the keyspace, on whichever table.
            sources.push(("indexes", None));
            sources
        }
        Object::Index { table: None, .. } => vec![("indexes", None)],
        Object::Function { name, .. } => vec![("functions", Some(("function_name", &name.name)))],
        Object::Aggregate { name, .. } => {
            vec![("aggregates", Some(("aggregate_name", &name.name)))]
        }
        Object::Trigger { table, .. } => of_table(&["tables", "triggers"], &table.name),
        Object::Keyspace(_) | Object::Role(_) => Vec::new(),
    }
}
