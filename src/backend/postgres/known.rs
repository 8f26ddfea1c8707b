//! What the database shows of the objects that statements name, for the judge of statements: sizes, columns, functions,
//! queries that were seen. Read before anything is run.

use super::fault::Fault;
use super::names::literal;
use super::query::{alone, rows};
use crate::error::Result;
use crate::safety::Known;
use crate::safety::known::Relation;
use std::collections::BTreeSet;
use tokio_postgres::{Client, SimpleQueryMessage};

/// So many query texts are looked at.
const QUERIES_MAX: usize = 5_000;

/// Reads what is known of what these words name, in one round trip; in two where queries are recorded.
pub async fn read(client: &Client, words: &[String]) -> Result<Known> {
    let mut known = Known {
        functions: Some(BTreeSet::new()),
        ..Known::default()
    };
    let mut statements = None;
    let answer = alone(client, &asked(words)).await?;
    for row in rows(&answer) {
        let text = |at: usize| row.get(at).unwrap_or_default().to_string();
        let name = || (text(1), text(2));
        match row.get(0) {
            Some("server") => {
                known.version = row.get(1).and_then(|version| version.parse().ok());
                known.schema = row.get(2).map(str::to_string);
                statements = row.get(3).map(str::to_string);
            }
            Some("function") => known.functions.get_or_insert_default().extend([name()]),
            Some("domain") => known.checked_domains.extend([name()]),
            _ => {
                let relation = known.relations.entry(name()).or_insert_with(|| Relation {
                    rows: row.get(3).and_then(|rows| rows.parse().ok()),
                    bytes: text(4).parse().unwrap_or_default(),
                    partitioned: row.get(5) == Some("t"),
                    row_security: row.get(6) == Some("t"),
                    ..Relation::default()
                });
                if let Some(column) = row.get(7) {
                    relation.columns.insert(column.to_string(), text(8));
                }
            }
        }
    }
    if let Some(view) = statements {
        // Not loaded by the server, or not to be read by this role: then nothing was seen.
        if let Ok(answer) = queries(client, &view).await {
            known.queries = texts(&answer, "query");
        }
    }
    Ok(known)
}

/// The questions, each with a word in front that tells its rows apart.
fn asked(words: &[String]) -> String {
    let words = words.iter().map(|word| literal(word));
    let named = format!("ARRAY[{}]::text[]", words.collect::<Vec<_>>().join(", "));
    format!(
        "SELECT 'server', current_setting('server_version_num')::int / 10000, current_schema(), \
         (SELECT format('%I.pg_stat_statements', n.nspname) FROM pg_catalog.pg_extension e \
         JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'); \
         SELECT 'relation', n.nspname, c.relname, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, \
         c.relpages::bigint * current_setting('block_size')::bigint, c.relkind = 'p', c.relrowsecurity, \
         a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') \
         WHERE c.relname = ANY ({named}) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'); \
         SELECT 'function', n.nspname, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         WHERE p.proname = ANY ({named}) AND n.nspname <> 'pg_catalog'; \
         SELECT 'domain', n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.typname = ANY ({named}) AND t.typtype = 'd' \
         AND (t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid))"
    )
}

async fn queries(client: &Client, view: &str) -> Result<Vec<SimpleQueryMessage>, Fault> {
    let sql = format!(
        "SELECT DISTINCT s.query FROM {view} s JOIN pg_catalog.pg_database d ON d.oid = s.dbid \
         WHERE d.datname = current_database() AND position('*' IN s.query) > 0 LIMIT {QUERIES_MAX}"
    );
    client.simple_query(&sql).await.map_err(Fault::from)
}

fn texts(answer: &[SimpleQueryMessage], column: &str) -> Vec<String> {
    let rows = rows(answer).into_iter();
    rows.filter_map(|row| row.get(column).map(str::to_string))
        .collect()
}
