//! What of the old keyspace the new one lacks: objects of the schema, and rights.

use crate::backend::cassandra::Cassandra;
use crate::backup::archive::Archive;
use crate::commands::context::Context;
use crate::cql::schema::Schema;
use crate::error::Result;

/// Objects of the old keyspace that this one has not.
pub fn unknown(archive: &Archive, schema: &Schema) -> Vec<String> {
    let manifest = &archive.manifest;
    let mut unknown = Vec::new();
    for name in manifest.types.keys() {
        if !schema.types.contains_key(name) {
            unknown.push(format!("type {name}"));
        }
    }
    for object in &manifest.objects {
        let name = &object.name;
        let there = match object.kind.as_str() {
            "index" => schema.indexes.contains_key(name),
            "view" | "materialized_view" => schema.views.contains_key(name),
            "function" => schema
                .functions
                .iter()
                .any(|function| function.name == *name),
            "aggregate" => schema
                .aggregates
                .iter()
                .any(|function| function.name == *name),
            "trigger" => schema.triggers.keys().any(|(_, trigger)| trigger == name),
            _ => false,
        };
        if !there {
            let on = object.table.as_ref().map(|table| format!(" on {table}"));
            unknown.push(format!("{} {name}{}", object.kind, on.unwrap_or_default()));
        }
    }
    unknown
}

/// Rights on the old keyspace that this one lacks, as statements; given where that is wanted.
pub async fn grants(
    context: &Context,
    cassandra: &Cassandra,
    archive: &Archive,
    give: bool,
) -> Result<Vec<String>> {
    let manifest = &archive.manifest;
    let grants = async {
        match cassandra.cluster_name().await? == manifest.source.cluster {
            true => cassandra.grants_of(&manifest.keyspace).await.map(Some),
            false => Ok(None),
        }
    };
    let grants = match grants.await {
        Ok(Some(grants)) => grants,
        Ok(None) if give => {
            context.progress.say(
                "the export comes from another cluster, whose rights are not to be seen from here",
            );
            return Ok(Vec::new());
        }
        Ok(None) => return Ok(Vec::new()),
        // All rows are there: system_auth has its own replicas, and they may be down.
        Err(error) if !give => {
            context.progress.say(&format!(
                "rights on the old keyspace could not be read: {error}"
            ));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    if give {
        for grant in &grants {
            cassandra.grant(grant).await?;
        }
    }
    Ok(grants)
}
