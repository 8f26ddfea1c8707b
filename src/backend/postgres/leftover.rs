//! What killed runs left behind: an INVALID index goes on costing each write, and a unique one rejects writes (traps P11).

use super::fault::Fault;
use super::names::Names;
use super::query::rows;
use crate::backend::Leftover;
use crate::error::Result;
use tokio_postgres::Client;

/// The INVALID indexes that an intent of the journal tells of, but for those that are being built.
pub async fn read(client: &Client, names: &Names) -> Result<Vec<Leftover>> {
    let journal = &names.journal;
    let sql = format!(
        "SELECT DISTINCT ON (c.oid) format('%I.%I', n.nspname, c.relname) AS index, format('%I.%I', tn.nspname, t.relname) AS table, \
         i.indisunique AS unique, j.subsystem || '/' || j.name AS migration, j.part, \
         to_char(j.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since \
         FROM {journal} j JOIN pg_catalog.pg_class t ON t.oid = CASE WHEN j.kind = 'intent' THEN (j.detail ->> 'table')::oid END \
         JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace \
         JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND NOT i.indisvalid \
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i' AND c.relname = j.detail ->> 'index' \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE j.kind = 'intent' AND j.detail ->> 'present' = 'false' \
         AND NOT EXISTS (SELECT FROM {journal} s WHERE s.kind IN ('step', 'failed') AND s.seq > j.seq AND s.batch = j.batch \
         AND s.subsystem = j.subsystem AND s.number = j.number AND s.part = j.part AND s.first_statement = j.first_statement) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid) \
         ORDER BY c.oid, j.seq"
    );
    let messages = client.simple_query(&sql).await.map_err(Fault::from)?;
    let found = rows(&messages).into_iter().map(|row| {
        let text = |column: &str| row.get(column).unwrap_or_default().to_string();
        Leftover {
            index: text("index"),
            table: text("table"),
            unique: row.get("unique") == Some("t"),
            migration: text("migration"),
            part: text("part"),
            since: text("since"),
        }
    });
    Ok(found.collect())
}
