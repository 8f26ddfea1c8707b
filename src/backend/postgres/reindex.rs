//! What a killed `REINDEX … CONCURRENTLY` leaves: INVALID copies `…_ccnew` and `…_ccold` beside the indexes, of TOAST
//! tables too, which the server keeps and goes on writing to (traps P10).

use super::Postgres;
use super::catalogue::regclass;
use super::names::{identifier, literal};
use crate::error::{Error, Result};
use crate::place::Place;
use crate::sql::Reindexed;
use serde_json::{Value, json};

impl Postgres {
    /// All such copies where a REINDEX works, each with whether a session is at work on its table.
    pub(super) async fn copies_left(&self, scope: &Reindexed) -> Result<Value> {
        let tables = match scope {
            Reindexed::Index(index) => format!(
                "SELECT indrelid AS oid FROM pg_catalog.pg_index WHERE indexrelid IN \
                 (SELECT to_regclass({0}) UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(to_regclass({0})))",
                regclass(index)
            ),
            Reindexed::Table(table) => format!(
                "SELECT to_regclass({0})::oid AS oid UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(to_regclass({0}))",
                regclass(table)
            ),
            Reindexed::Schema(schema) => format!(
                "SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace({})",
                literal(&identifier(&schema.name))
            ),
            Reindexed::Database => "SELECT oid FROM pg_catalog.pg_class".to_string(),
        };
        let sql = format!(
            "WITH tables AS ({tables}) SELECT COALESCE(jsonb_agg(jsonb_build_object('oid', i.indexrelid::bigint, \
             'name', format('%I.%I', n.nspname, c.relname), 'in_progress', \
             EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.datname = current_database() AND p.relid IN (i.indrelid, o.oid)))), '[]') \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_class o ON o.reltoastrelid = i.indrelid \
             WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relname ~ '_cc(new|old)[0-9]*$' \
             AND (i.indrelid IN (SELECT oid FROM tables) OR o.oid IN (SELECT oid FROM tables))"
        );
        let row = self.query(&sql).await?;
        let text = row.and_then(|row| row.into_iter().next()).flatten();
        let found = text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        Ok(json!({ "leftovers": found.unwrap_or_else(|| json!([])) }))
    }
}

/// The copies that were not there before, as SQL names them.
///
/// # Errors
/// Another session is at work on such a table: what is there may be its own.
pub(super) fn left(before: &Value, now: &Value, place: &Place) -> Result<Vec<String>> {
    // An intent without that picture proves nothing about any index.
    let (Some(before), Some(now)) = (before["leftovers"].as_array(), now["leftovers"].as_array())
    else {
        return Ok(Vec::new());
    };
    let was_there = |index: &Value| before.iter().any(|old| old["oid"] == index["oid"]);
    let ours = now.iter().filter(|index| !was_there(index));
    ours.map(|index| {
        let name = index["name"].as_str().unwrap_or_default().to_string();
        if index["in_progress"] == json!(true) {
            let message = format!("the index {name} is being built by another session");
            return Err(Error::failed(message)
                .at(place.clone())
                .now("nothing was run")
                .next("wait until that build has ended, then run the same command again"));
        }
        Ok(name)
    })
    .collect()
}
