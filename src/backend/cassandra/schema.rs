//! Reads from members what their schema says of one object.

use super::fault::Fault;
use super::members::Member;
use super::query::Sender;
use crate::cql::schema::{ROLES, ROLES_QUERY, Schema, queries};
use crate::cql::{Act, Object};
use crate::error::{Error, Result};
use futures_util::future::try_join_all;
use uuid::Uuid;

/// The object that a statement makes, changes or drops.
pub fn object(act: &Act) -> Option<&Object> {
    match act {
        Act::Create(made) => Some(&made.object),
        Act::Alter { object, .. } | Act::Drop { object, .. } => Some(object),
        _ => None,
    }
}

/// What one member has of an object of a keyspace; everything of the keyspace where no object is named.
///
/// # Errors
/// It does not answer, or tells what kmig cannot read.
pub async fn of(
    sender: &Sender,
    member: Uuid,
    keyspace: &str,
    object: Option<&Object>,
) -> Result<Schema> {
    let wanted = object.map(sources);
    let mut asked = Vec::new();
    for (source, query) in queries(keyspace) {
        let narrow = match &wanted {
            None => Some(String::new()),
            Some(wanted) => wanted
                .iter()
                .find(|(name, _)| *name == source)
                .map(|(_, clause)| clause.clone()),
        };
        if let Some(clause) = narrow {
            asked.push((source, format!("{query}{clause}")));
        }
    }
    if matches!(object, Some(Object::Role(_))) {
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

/// What every member has of an object.
///
/// # Errors
/// As [`of`].
pub async fn of_all(
    sender: &Sender,
    members: &[Member],
    keyspace: &str,
    object: Option<&Object>,
) -> Result<Vec<Schema>> {
    let asked = members
        .iter()
        .map(|member| of(sender, member.id, keyspace, object));
    try_join_all(asked).await
}

/// The tables of system_schema that tell of an object, each with what narrows the query to it: a keyspace may have
/// thousands of others.
fn sources(object: &Object) -> Vec<(&'static str, String)> {
    let is = |column: &str, name: &str| format!(" AND {column} = '{}'", name.replace('\'', "''"));
    let of_table = |sources: &[&'static str], table: &str| {
        sources
            .iter()
            .map(|source| (*source, is("table_name", table)))
            .collect::<Vec<_>>()
    };
    match object {
        Object::Table(name) => of_table(&["tables", "columns", "dropped_columns"], &name.name),
        Object::View(name) => vec![
            ("views", is("view_name", &name.name)),
            ("columns", is("table_name", &name.name)),
        ],
        Object::Type(name) => vec![("types", is("type_name", &name.name))],
        Object::Index {
            table: Some(table), ..
        } => {
            let mut sources = of_table(&["tables", "columns"], &table.name);
            // Its name is taken once in the keyspace, on whichever table.
            sources.push(("indexes", String::new()));
            sources
        }
        Object::Index { table: None, .. } => vec![("indexes", String::new())],
        Object::Function { name, .. } => vec![("functions", is("function_name", &name.name))],
        Object::Aggregate { name, .. } => vec![("aggregates", is("aggregate_name", &name.name))],
        Object::Trigger { table, .. } => of_table(&["tables", "triggers"], &table.name),
        Object::Keyspace(_) | Object::Role(_) => Vec::new(),
    }
}
