//! Reading what is recorded: one statement where kmig's tables are there, and an exact answer where they are not.

use super::fault::Fault;
use super::names::{Names, identifier, literal};
use super::query::{again, alone, hurried, patiently, rows};
use crate::error::{Error, Exit, Result};
use crate::plan::history::{Applied, History, Origin, Progress};
use crate::source::{MigrationId, PartKind};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryRow};

/// The highest version of `meta/V…__….sql` that this kmig knows: the format of its tables.
pub const FORMAT: i64 = 1;

/// What one look at the database tells.
#[derive(Debug)]
pub struct Reading {
    /// What is recorded; nothing where there are no tables of kmig, or none that are complete.
    pub history: Option<History>,
    /// The schema that kmig's tables are in, or are to be made in.
    pub schema: String,
    /// Key of the executor's lock.
    pub key: i64,
    /// Format of kmig's tables, where they are there.
    pub format: Option<i64>,
    /// Whether the server only replays another's changes.
    pub standby: bool,
    /// The database's name.
    pub database: String,
    /// The server process that answered.
    pub pid: i32,
    /// Whether the role or the database has a statement_timeout, which the next statement may fall to.
    pub hurried: bool,
}

/// Reads. `schema` is the configured one; without it the connection's first schema counts. No statement_timeout is in
/// force afterwards, unless another process answered than `pid`, the one that the connection was told of at its start:
/// behind a pooler a setting would stay in a session that is the application's next. [`alone`] copes with it there.
pub async fn reading(
    client: &Client,
    pid: i32,
    schema: Option<&str>,
    table: &str,
) -> Result<Reading> {
    let mut read = once(client, schema, table, false).await;
    let cancelled = |error: &Error| {
        let code = error.server.as_ref().map(|server| server.code.as_str());
        code == Some(SqlState::QUERY_CANCELED.code())
    };
    let patient = read.as_ref().is_err_and(cancelled) && hurried(client).await?;
    if patient {
        read = once(client, schema, table, true).await;
    }
    if read.as_ref().is_err_and(|error| error.server.is_none()) {
        // Tables that are not there at the first of the two looks of a reading and there at the second seem damaged,
        // where another executor has just made them. What is really wrong stays wrong.
        read = once(client, schema, table, patient).await;
    }
    if read
        .as_ref()
        .is_ok_and(|reading| (reading.hurried || patient) && reading.pid == pid)
    {
        again(client, "SET statement_timeout TO 0").await?;
    }
    read
}

async fn once(
    client: &Client,
    schema: Option<&str>,
    table: &str,
    patient: bool,
) -> Result<Reading> {
    let names = Names::new(schema, table);
    let sql = query(&names, table);
    let answer = match patient {
        true => patiently(client, &sql).await,
        false => client.simple_query(&sql).await.map_err(Fault::from),
    };
    match answer {
        Ok(messages) => {
            let rows = rows(&messages);
            let first = rows.first();
            let here = first.and_then(|row| Some((row.get("home")?, row.get("first_schema")?)));
            match (first, here) {
                (Some(row), here) if schema.is_some() || here.is_none_or(|(a, b)| a == b) => {
                    found(row, &rows)
                }
                (Some(_), Some((home, first))) => Err(behind(home, first)),
                _ => elsewhere(client, schema, table).await,
            }
        }
        Err(fault) => {
            let absent = [
                SqlState::UNDEFINED_TABLE,
                SqlState::INVALID_SCHEMA_NAME,
                SqlState::UNDEFINED_COLUMN,
            ];
            if absent.iter().any(|code| fault.is(code)) {
                elsewhere(client, schema, table).await
            } else if fault.is(&SqlState::INSUFFICIENT_PRIVILEGE) {
                Err(fault.error().next(format!(
                    "GRANT USAGE on the schema and SELECT on {}, {} and {} to this role",
                    names.meta, names.journal, names.history
                )))
            } else {
                Err(fault.error())
            }
        }
    }
}

/// The search path finds kmig's tables behind the connection's first schema: they may be this database's, from before
/// that schema was there, or another application's.
fn behind(home: &str, first: &str) -> Error {
    Error::failed(format!(
        "kmig's tables are in the schema {}, though the first schema of this connection is {}",
        identifier(home),
        identifier(first)
    ))
    .now("nothing was run")
    .next(format!(
        "schema = {home:?} in kmig.toml where these are the tables meant, schema = {first:?} for tables of its own"
    ))
}

/// The executor's lock belongs to the database and the qualified name of schema_meta (contract §5).
fn key(schema: &str, table: &str) -> String {
    format!("hashtextextended('kmig ' || quote_ident({schema}) || '.' || quote_ident({table}), 0)")
}

fn query(names: &Names, table: &str) -> String {
    let Names {
        meta,
        journal,
        history,
    } = names;
    let key = key("n.nspname", &literal(table));
    // Each column is qualified: an unqualified one that the journal lacks would be that of schema_meta, silently.
    format!(
        "SELECT * FROM (SELECT current_schema() AS first_schema, n.nspname AS home, current_database() AS database, \
         pg_is_in_recovery() AS standby, {key} AS lock_key, pg_backend_pid() AS pid, \
         current_setting('statement_timeout') AS statement_timeout, (SELECT max(h.version) FROM {history} h) AS format, \
         pg_catalog.row_security_active(c.oid) OR pg_catalog.row_security_active({}::regclass) AS filtered, \
         (SELECT j.batch FROM {journal} j WHERE j.kind = 'batch' ORDER BY j.seq DESC LIMIT 1) AS last_batch, \
         (SELECT j.app_version FROM {journal} j WHERE j.kind IN ('batch', 'version', 'undo') ORDER BY j.seq DESC LIMIT 1) AS last_version, \
         (SELECT j.app_version FROM {journal} j WHERE j.kind IN ('batch', 'version', 'undo') AND j.seq < (SELECT min(b.seq) FROM {journal} b \
         WHERE b.kind = 'batch' AND b.batch = (SELECT max(c.batch) FROM {journal} c WHERE c.kind = 'batch')) ORDER BY j.seq DESC LIMIT 1) AS version_before, \
         (SELECT j.app_version FROM {journal} j WHERE j.kind = 'floor' ORDER BY j.seq DESC LIMIT 1) AS floor, \
         (SELECT j.app_version FROM {journal} j WHERE j.kind = 'floor' AND j.seq < (SELECT min(b.seq) FROM {journal} b \
         WHERE b.kind = 'batch' AND b.batch = (SELECT max(c.batch) FROM {journal} c WHERE c.kind = 'batch')) ORDER BY j.seq DESC LIMIT 1) AS floor_before, \
         (NOT EXISTS (SELECT FROM {meta} e) AND EXISTS (SELECT FROM {journal} j WHERE j.kind = 'adopt' OR j.kind = 'step' AND j.state IS NOT NULL \
         AND NOT EXISTS (SELECT FROM {journal} k WHERE k.kind = 'step' AND k.state IS NULL AND k.seq > j.seq \
         AND k.subsystem = j.subsystem AND k.number = j.number))) AS emptied \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = {}::regclass OFFSET 0) AS here LEFT JOIN (SELECT m.subsystem, m.number, m.name, m.state, m.part, m.statements_done, m.batch, m.origin, m.app_version, m.checksums, \
         (extract(epoch FROM m.started_at) * 1000000)::bigint AS started, \
         (extract(epoch FROM m.finished_at) * 1000000)::bigint AS finished, m.executed_by FROM {meta} m) AS recorded ON true",
        literal(journal),
        literal(meta)
    )
}

fn found(first: &SimpleQueryRow, rows: &[&SimpleQueryRow]) -> Result<Reading> {
    let text = |name: &str| first.get(name).unwrap_or_default().to_string();
    let format = first
        .get("format")
        .and_then(|text| text.parse::<i64>().ok());
    match format {
        Some(format) if format > FORMAT => {
            return Err(Error::new(
                Exit::Ahead,
                format!(
                    "the tables of kmig in this database have format {format}; this kmig ({}) knows formats up to {FORMAT}",
                    env!("CARGO_PKG_VERSION")
                ),
            )
            .now("nothing was run")
            .next("install a newer kmig"));
        }
        Some(_) => {}
        // The runner makes the tables and the row of its history in one transaction.
        None => {
            return Err(damaged(
                &text("home"),
                "the history of their format is empty",
            ));
        }
    }
    if first.get("filtered") == Some("t") {
        return Err(hidden(&text("home")));
    }
    let mut applied = BTreeMap::new();
    for row in rows {
        if let Some((id, recorded)) = recorded(row)? {
            let label = format!("{}/{}", id.subsystem, recorded.name);
            if applied.insert(id, recorded).is_some() {
                let what = format!("{label} is recorded twice");
                return Err(damaged(&text("home"), &what));
            }
        }
    }
    let batch: Option<i64> = first.get("last_batch").and_then(|text| text.parse().ok());
    if batch.is_none() && !applied.is_empty() {
        return Err(damaged(
            &text("home"),
            "migrations are recorded, and no batch",
        ));
    }
    // To run it all again would repeat what may not be repeated.
    if first.get("emptied") == Some("t") {
        return Err(damaged(
            &text("home"),
            "the journal tells of migrations, and none is recorded",
        ));
    }
    let history = batch.map(|batch| History {
        applied,
        batch,
        app_version: first.get("last_version").map(str::to_string),
        version_before: first.get("version_before").map(str::to_string),
        floor: first.get("floor").map(str::to_string),
        floor_before: first.get("floor_before").map(str::to_string),
    });
    Ok(Reading {
        history,
        schema: text("home"),
        key: text("lock_key")
            .parse()
            .map_err(|_| Error::failed("the server gave no lock key"))?,
        format,
        standby: first.get("standby") == Some("t"),
        database: text("database"),
        pid: text("pid").parse().unwrap_or_default(),
        hurried: text("statement_timeout") != "0",
    })
}

fn recorded(row: &SimpleQueryRow) -> Result<Option<(MigrationId, Applied)>> {
    let Some(subsystem) = row.get("subsystem") else {
        return Ok(None);
    };
    let name = row.get("name").unwrap_or_default();
    let damaged = |what: &str| {
        Error::failed(format!(
            "the record of {subsystem}/{name} is damaged: its {what} cannot be read"
        ))
        .now("nothing was run")
        .next("compare schema_meta with its journal; kmig alone writes these tables")
    };
    let number = |column: &str| row.get(column).and_then(|text| text.parse::<i64>().ok());
    let time = |column: &str| {
        number(column).and_then(|micros| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()
        })
    };
    let done = number("statements_done").and_then(|done| usize::try_from(done).ok());
    let progress = done
        .and_then(|done| Progress::from_columns(row.get("state")?, row.get("part"), done))
        .ok_or_else(|| damaged("state"))?;
    let stored: BTreeMap<String, String> =
        serde_json::from_str(row.get("checksums").unwrap_or("{}"))
            .map_err(|_| damaged("checksums"))?;
    let checksums = stored
        .into_iter()
        .filter_map(|(part, checksum)| Some((PartKind::from_name(&part)?, checksum)))
        .collect();
    let id = MigrationId {
        subsystem: subsystem.to_string(),
        number: number("number")
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| damaged("number"))?,
    };
    let applied = Applied {
        name: name.to_string(),
        batch: number("batch").ok_or_else(|| damaged("batch"))?,
        origin: row
            .get("origin")
            .and_then(Origin::from_word)
            .ok_or_else(|| damaged("origin"))?,
        progress,
        checksums,
        app_version: row.get("app_version").map(str::to_string),
        started: time("started"),
        finished: time("finished"),
        by: row.get("executed_by").unwrap_or_default().to_string(),
    };
    Ok(Some((id, applied)))
}

/// Rows that a policy hides look like migrations that never ran.
fn hidden(schema: &str) -> Error {
    Error::failed(format!(
        "row-level security is in force for this role on kmig's tables in the schema {}: rows that it hides would look like migrations that never ran",
        identifier(schema)
    ))
    .now("nothing was run")
    .next("ALTER TABLE … DISABLE ROW LEVEL SECURITY on kmig's tables, or a role with BYPASSRLS")
}

fn damaged(schema: &str, what: &str) -> Error {
    Error::failed(format!(
        "the tables of kmig in the schema {} are damaged: {what}",
        identifier(schema)
    ))
    .now("nothing was run")
    .next("restore them from a backup; what has run is also in the journal")
}

/// The tables were not found as they should be: finds out which are there, and says what that means.
async fn elsewhere(client: &Client, schema: Option<&str>, table: &str) -> Result<Reading> {
    let schema_sql = schema.map_or_else(|| "current_schema()::text".to_string(), literal);
    let key = key("schema", &literal(table));
    let exists = |suffix: &str| {
        format!(
            "to_regclass(quote_ident(schema) || '.' || quote_ident({})) IS NOT NULL",
            literal(&format!("{table}{suffix}"))
        )
    };
    let sql = format!(
        "SELECT schema, current_database() AS database, pg_is_in_recovery() AS standby, {key} AS lock_key, pg_backend_pid() AS pid, \
         current_setting('statement_timeout') AS statement_timeout, to_regnamespace(quote_ident(schema)) IS NOT NULL AS schema_exists, \
         {} AS meta, {} AS journal, {} AS history FROM (SELECT {schema_sql} AS schema) s",
        exists(""),
        exists("_journal"),
        exists("_history"),
    );
    let messages = alone(client, &sql).await?;
    let all = rows(&messages);
    let row = all
        .first()
        .ok_or_else(|| Error::failed("the server did not answer"))?;
    let is = |column: &str| row.get(column) == Some("t");
    let Some(schema) = row.get("schema") else {
        return Err(Error::failed(
            "this connection has no current schema: none of its search_path exists",
        )
        .next("set schema = \"…\" in kmig.toml, or create the schema"));
    };
    if !is("schema_exists") {
        return Err(
            Error::failed(format!("there is no schema {}", identifier(schema)))
                .now("nothing was run")
                .next(format!(
                    "CREATE SCHEMA {}, or another schema in kmig.toml",
                    identifier(schema)
                )),
        );
    }
    if is("meta") && schema_of_kmig(client, schema, table, is("history")).await? {
        return Err(damaged(schema, "a table or a column is missing"));
    }
    if is("meta") {
        return Err(Error::failed(format!(
            "there is a table {} that is not kmig's",
            Names::new(Some(schema), table).meta
        ))
        .now("nothing was run")
        .next("set table = \"another_name\" (or schema = …) in kmig.toml"));
    }
    if is("journal") {
        return Err(Error::failed(format!(
            "{} is missing, though its journal is there",
            Names::new(Some(schema), table).meta
        ))
        .now("nothing was run")
        .next("restore it from a backup; what has run is also in the journal"));
    }
    Ok(Reading {
        history: None,
        schema: schema.to_string(),
        key: row
            .get("lock_key")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::failed("the server gave no lock key"))?,
        format: None,
        standby: is("standby"),
        database: row.get("database").unwrap_or_default().to_string(),
        pid: row
            .get("pid")
            .and_then(|pid| pid.parse().ok())
            .unwrap_or_default(),
        hurried: row.get("statement_timeout") != Some("0"),
    })
}

/// Whether a schema_meta was made by kmig's own runner: its history has the first version. A newer format says so.
async fn schema_of_kmig(client: &Client, schema: &str, table: &str, history: bool) -> Result<bool> {
    if !history {
        return Ok(false);
    }
    let sql = format!(
        "SELECT max(version) AS format FROM {}",
        Names::new(Some(schema), table).history
    );
    let Ok(messages) = alone(client, &sql).await else {
        return Ok(false);
    };
    let format = rows(&messages)
        .first()
        .and_then(|row| row.get("format")?.parse::<i64>().ok());
    match format {
        Some(format) if format > FORMAT => Err(Error::new(
            Exit::Ahead,
            format!("the tables of kmig in this database have format {format}; this kmig knows formats up to {FORMAT}"),
        )
        .now("nothing was run")
        .next("install a newer kmig")),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}
