//! What a cluster shows of what is about to be run, for the judge of statements.

use super::Cassandra;
use super::fault::Fault;
use super::members::{ANSWER, ring};
use super::names::literal;
use super::query::Cells;
use crate::cql::{self, Act};
use crate::error::Result;
use crate::safety::Known;
use futures_util::future::join_all;
use std::collections::BTreeSet;

/// The statements that clients have prepared at a member, as it keeps them over a restart.
const PREPARED: &str = "SELECT logged_keyspace, query_string FROM system.prepared_statements";

impl Cassandra {
    /// The functions of the keyspace, and the queries of it that are prepared at some member. What a member does not
    /// tell, or not this role, was not seen.
    pub(super) async fn shown(&self) -> Result<Known> {
        let keyspace = &self.recorder.names.keyspace;
        let mut functions = BTreeSet::new();
        for kind in ["function", "aggregate"] {
            let query = format!(
                "SELECT {kind}_name AS name FROM system_schema.{kind}s WHERE keyspace_name = {}",
                literal(keyspace)
            );
            let rows = self.sender.read(&query).await.map_err(Fault::error)?;
            let names = rows.iter().filter_map(|row| row.text("name"));
            functions.extend(names.map(|name| (keyspace.clone(), name.to_string())));
        }
        let members = ring(&self.sender, &self.options.without).await?;
        let asked = members
            .iter()
            .map(|member| self.sender.ask_member(member.id, PREPARED, ANSWER));
        let mut queries = BTreeSet::new();
        for rows in join_all(asked).await.into_iter().flatten() {
            queries.extend(rows.iter().filter_map(|row| of_keyspace(row, keyspace)));
        }
        Ok(Known {
            schema: Some(keyspace.clone()),
            functions: Some(functions),
            queries: queries.into_iter().collect(),
            ..Known::default()
        })
    }
}

/// A query whose names without a keyspace are of this one: one that was prepared in another is left out unless it says
/// where its table is.
fn of_keyspace(row: Cells<'_>, keyspace: &str) -> Option<String> {
    let query = row.text("query_string")?;
    let here = row.text("logged_keyspace") == Some(keyspace);
    let script = cql::split(query);
    let mut acts = script.statements.iter().map(|found| &found.act);
    let told = acts.all(|act| match act {
        Act::Select { table } => here || table.keyspace.is_some(),
        _ => false,
    });
    told.then(|| query.to_string())
}
