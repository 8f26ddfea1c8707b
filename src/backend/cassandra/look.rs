//! Looks for objects by their names.

use super::names::identifier;
use super::{Cassandra, schema};
use crate::backend::Thing;
use crate::cql::schema::{Function, Schema};
use crate::error::Result;
use crate::plan::there::Wanted;
use crate::sql::made::{Kind, Object};
use std::collections::BTreeMap;

impl Cassandra {
    /// Which of these objects are not there, by index.
    pub(super) async fn missing(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<usize>> {
        let schemas = self
            .schemas(wanted.iter().map(|wanted| &wanted.object))
            .await?;
        let absent = |object: &Object| {
            let schema = schemas.get(self.keyspace_of(object));
            schema.is_none_or(|schema| !is_there(object, schema))
        };
        let all = wanted.iter().enumerate();
        Ok(all
            .filter(|(_, wanted)| absent(&wanted.object))
            .map(|(at, _)| at)
            .collect())
    }

    /// What is there under the name of each of these objects.
    pub(super) async fn things(&mut self, wanted: &[&Wanted<'_>]) -> Result<Vec<Vec<Thing>>> {
        let schemas = self
            .schemas(wanted.iter().map(|wanted| &wanted.object))
            .await?;
        let found = wanted.iter().map(|wanted| {
            let object = &wanted.object;
            let keyspace = self.keyspace_of(object);
            match schemas.get(keyspace) {
                Some(schema) if is_there(object, schema) => things(object, keyspace, schema),
                _ => Vec::new(),
            }
        });
        Ok(found.collect())
    }

    /// The schema of each keyspace that objects are in, as the coordinator has it.
    async fn schemas<'a>(
        &self,
        objects: impl Iterator<Item = &'a Object>,
    ) -> Result<BTreeMap<String, Schema>> {
        let mut schemas = BTreeMap::new();
        for object in objects {
            let keyspace = self.keyspace_of(object);
            if !schemas.contains_key(keyspace) {
                let at = self.sender.coordinator;
                let found = schema::of(&self.sender, at, keyspace, &[]).await?;
                schemas.insert(keyspace.to_string(), found);
            }
        }
        Ok(schemas)
    }

    fn keyspace_of<'a>(&'a self, object: &'a Object) -> &'a str {
        let table = object.of.as_ref().and_then(|of| of.schema.as_deref());
        let own = object.name.schema.as_deref();
        own.or(table).unwrap_or(&self.recorder.names.keyspace)
    }
}

/// Whether an object of that kind and name is there.
pub fn is_there(object: &Object, schema: &Schema) -> bool {
    let name = &object.name.name;
    let table = object.of.as_ref().map_or("", |of| of.name.as_str());
    match object.kind {
        Kind::Table => schema.tables.contains_key(name),
        Kind::MaterializedView | Kind::View => schema.views.contains_key(name),
        Kind::Type => schema.types.contains_key(name),
        Kind::Index => schema.indexes.contains_key(name),
        Kind::Function => schema.functions.iter().any(|found| found.name == *name),
        Kind::Aggregate => schema.aggregates.iter().any(|found| found.name == *name),
        Kind::Trigger => schema
            .triggers
            .contains_key(&(table.to_string(), name.clone())),
        Kind::Column => {
            let of_table = schema.tables.get(table).map(|found| &found.columns);
            let of_view = schema.views.get(table).map(|found| &found.columns);
            let field =
                |fields: &Vec<(String, String)>| fields.iter().any(|(field, _)| field == name);
            of_table
                .or(of_view)
                .is_some_and(|columns| columns.contains_key(name))
                || schema.types.get(table).is_some_and(field)
        }
        Kind::Sequence | Kind::Schema | Kind::Extension => false,
    }
}

/// A name as DROP takes it, [`Thing`]s are called so.
pub fn qualified(keyspace: &str, name: &str) -> String {
    format!("{}.{}", identifier(keyspace), identifier(name))
}

/// What DROP takes to drop an object.
fn things(object: &Object, keyspace: &str, schema: &Schema) -> Vec<Thing> {
    let qualified = |name: &str| qualified(keyspace, name);
    let name = &object.name.name;
    let one = |kind: &str, name: String| Thing {
        class: 0,
        oid: 0,
        kind: kind.to_string(),
        name,
        rows: None,
    };
    let called = |kind: &str, all: &[Function]| {
        let same = all.iter().filter(|found| found.name == *name);
        same.map(|found| {
            one(
                kind,
                format!("{}({})", qualified(name), found.arguments.join(", ")),
            )
        })
        .collect()
    };
    match object.kind {
        Kind::Table => vec![one("table", qualified(name))],
        Kind::MaterializedView | Kind::View => vec![one("materialized view", qualified(name))],
        Kind::Type => vec![one("type", qualified(name))],
        Kind::Index => vec![one("index", qualified(name))],
        Kind::Function => called("function", &schema.functions),
        Kind::Aggregate => called("aggregate", &schema.aggregates),
        Kind::Trigger => {
            let table = object.of.as_ref().map_or("", |of| of.name.as_str());
            vec![one(
                "trigger",
                format!("{} on {}", identifier(name), qualified(table)),
            )]
        }
        Kind::Column | Kind::Sequence | Kind::Schema | Kind::Extension => {
            vec![one("column", name.clone())]
        }
    }
}
