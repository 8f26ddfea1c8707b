//! What the database shows of the objects that statements name, for the judge of statements: sizes, columns, functions,
//! queries that were seen. Read in a few queries, before anything is run.

use super::fault::Fault;
use super::names::literal;
use super::query::{alone, rows};
use crate::error::Result;
use crate::safety::Known;
use crate::safety::known::Relation;
use tokio_postgres::{Client, SimpleQueryMessage};

/// So many query texts are looked at.
const QUERIES_MAX: usize = 5_000;

/// Reads what is known of what these words name.
pub async fn read(client: &Client, words: &[String]) -> Result<Known> {
    let mut known = Known::default();
    let server = "SELECT current_setting('server_version_num')::int / 10000 AS version, current_schema() AS schema, \
         (SELECT format('%I.pg_stat_statements', n.nspname) FROM pg_catalog.pg_extension e \
         JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements') AS statements";
    let answer = alone(client, server).await?;
    let first = rows(&answer).into_iter().next();
    let text = |column: &str| first.and_then(|row| row.get(column)).map(str::to_string);
    known.version = text("version").and_then(|version| version.parse().ok());
    known.schema = text("schema");
    let statements = text("statements");
    if words.is_empty() {
        return Ok(known);
    }
    relations(client, &named(words), &mut known).await?;
    if let Some(view) = statements {
        // Not loaded by the server, or not to be read by this role: then nothing was seen.
        if let Ok(answer) = queries(client, &view).await {
            known.queries = texts(&answer, "query");
        }
    }
    Ok(known)
}

fn named(words: &[String]) -> String {
    let words = words.iter().map(|word| literal(word));
    format!("ARRAY[{}]::text[]", words.collect::<Vec<_>>().join(", "))
}

async fn relations(client: &Client, named: &str, known: &mut Known) -> Result<()> {
    let relations = format!(
        "SELECT n.nspname, c.relname, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows, \
         c.relpages::bigint * current_setting('block_size')::bigint AS bytes, c.relkind = 'p' AS partitioned, c.relrowsecurity AS secured, \
         a.attname, format_type(a.atttypid, a.atttypmod) AS type FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') \
         WHERE c.relname = ANY ({named}) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    );
    let answer = alone(client, &relations).await?;
    for row in rows(&answer) {
        let text = |column: &str| row.get(column).unwrap_or_default().to_string();
        let relation = known
            .relations
            .entry((text("nspname"), text("relname")))
            .or_insert_with(|| Relation {
                rows: row.get("rows").and_then(|rows| rows.parse().ok()),
                bytes: text("bytes").parse().unwrap_or_default(),
                partitioned: row.get("partitioned") == Some("t"),
                row_security: row.get("secured") == Some("t"),
                ..Relation::default()
            });
        if let Some(column) = row.get("attname") {
            relation.columns.insert(column.to_string(), text("type"));
        }
    }
    let functions = format!(
        "SELECT n.nspname, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         WHERE p.proname = ANY ({named}) AND n.nspname <> 'pg_catalog'"
    );
    let answer = alone(client, &functions).await?;
    known.functions = Some(pairs(&answer).collect());
    let domains = format!(
        "SELECT n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.typname = ANY ({named}) AND t.typtype = 'd' \
         AND (t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid))"
    );
    let answer = alone(client, &domains).await?;
    known.checked_domains = pairs(&answer).collect();
    Ok(())
}

async fn queries(client: &Client, view: &str) -> Result<Vec<SimpleQueryMessage>, Fault> {
    let sql = format!(
        "SELECT DISTINCT s.query FROM {view} s JOIN pg_catalog.pg_database d ON d.oid = s.dbid \
         WHERE d.datname = current_database() AND position('*' IN s.query) > 0 LIMIT {QUERIES_MAX}"
    );
    client.simple_query(&sql).await.map_err(Fault::from)
}

fn pairs(answer: &[SimpleQueryMessage]) -> impl Iterator<Item = (String, String)> {
    rows(answer).into_iter().map(|row| {
        let text = |at: usize| row.get(at).unwrap_or_default().to_string();
        (text(0), text(1))
    })
}

fn texts(answer: &[SimpleQueryMessage], column: &str) -> Vec<String> {
    let rows = rows(answer).into_iter();
    rows.filter_map(|row| row.get(column).map(str::to_string))
        .collect()
}
