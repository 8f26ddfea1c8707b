//! Reading what is recorded.

use super::fault::{Fault, INVALID, UNAUTHORIZED};
use super::members;
use super::names::{Names, identifier};
use super::query::{Cells, How, Rows, Sender};
use crate::error::{Error, Result};
use crate::plan::history::{Applied, History, Origin, Progress};
use crate::source::{MigrationId, PartKind};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// What one look at schema_meta tells.
#[derive(Debug, Default)]
pub struct Reading {
    /// What is recorded; nothing where no batch is.
    pub history: Option<History>,
    /// The run that began a reset, where that is not complete.
    pub resetting: Option<String>,
    /// The latest time that a write of a migration was given, in microseconds since 1970.
    pub last_write: i64,
    /// What runs that stopped in the middle were sending, as [`super::intent::Intent`] writes it.
    pub open: BTreeMap<MigrationId, String>,
}

/// Reads everything of an incarnation; `serial` where it decides.
///
/// # Errors
/// The rights are missing, the replicas do not answer, or what stands there is damaged.
pub async fn read(
    sender: &Sender,
    names: &Names,
    incarnation: Uuid,
    serial: bool,
) -> Result<Reading> {
    let query = format!(
        "SELECT * FROM {} WHERE incarnation = {incarnation}",
        names.meta
    );
    let answer = match serial {
        true => sender.read_serial(&query).await,
        false => sender.settled(&query, How::default()).await,
    };
    let rows = match answer {
        Ok(rows) => rows,
        // The table is being made: the schema tells of it before the server reads it. Nothing stands in it.
        Err(fault) if fault.is(INVALID) && !serial => return Ok(Reading::default()),
        Err(fault) => return Err(unread(sender, names, fault).await),
    };
    found(&rows)
}

/// Why what is recorded cannot be read, and which members keep it from being read.
async fn unread(sender: &Sender, names: &Names, fault: Fault) -> Error {
    let (rights, replicas) = (fault.is(UNAUTHORIZED), fault.in_doubt());
    let error = fault.error();
    if rights {
        let keyspace = identifier(&names.keyspace);
        return error.next(format!("GRANT SELECT ON KEYSPACE {keyspace} TO this role"));
    }
    if !replicas || error.lost {
        return error;
    }
    let silent = members::silent(sender).await;
    Error {
        message: format!("{}{silent}", error.message),
        now: Some("what is recorded could not be read".to_string()),
        ..error
    }
    .next("nodetool status; once enough replicas answer, the same command")
}

fn found(rows: &Rows) -> Result<Reading> {
    let Some(first) = rows.first() else {
        return Ok(Reading::default());
    };
    let mut applied = BTreeMap::new();
    let mut open = BTreeMap::new();
    let mut last_write = 0;
    for row in rows.iter() {
        let Some((id, recorded)) = recorded(row)? else {
            continue;
        };
        last_write = last_write.max(row.number("write_time").unwrap_or_default());
        if let Some(intent) = row.text("intent") {
            open.insert(id.clone(), intent.to_string());
        }
        applied.insert(id, recorded);
    }
    let batch = first.number("last_batch");
    if batch.is_none() && !applied.is_empty() {
        return Err(
            Error::failed("schema_meta is damaged: migrations are recorded, and no batch")
                .now("nothing was run")
                .next("compare schema_meta with its journal; kmig alone writes these tables"),
        );
    }
    let text = |name| first.text(name).map(str::to_string);
    Ok(Reading {
        history: batch.map(|batch| History {
            applied,
            batch,
            app_version: text("last_version"),
            version_before: text("version_before"),
            floor: text("floor"),
            floor_before: text("floor_before"),
        }),
        resetting: first.text("resetting").map(str::to_string),
        last_write,
        open,
    })
}

fn recorded(row: Cells<'_>) -> Result<Option<(MigrationId, Applied)>> {
    // The row of the static columns alone has no key.
    let (Some(subsystem), Some(number)) = (row.text("subsystem"), row.number("number")) else {
        return Ok(None);
    };
    let name = row.text("name").unwrap_or_default();
    let damaged = |what: &str| {
        Error::failed(format!(
            "the record of {subsystem}/{name} is damaged: its {what} cannot be read"
        ))
        .now("nothing was run")
        .next("compare schema_meta with its journal; kmig alone writes these tables")
    };
    let done = row
        .number("statements_done")
        .and_then(|done| usize::try_from(done).ok());
    let progress = done
        .and_then(|done| Progress::from_columns(row.text("state")?, row.text("part"), done))
        .ok_or_else(|| damaged("state"))?;
    let mut checksums = BTreeMap::new();
    for (part, seal) in row.pairs("checksums") {
        let part = PartKind::from_name(&part).ok_or_else(|| damaged("checksums"))?;
        checksums.insert(part, seal);
    }
    let time = |column: &str| {
        let ms = row.number(column)?;
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
    };
    let origin = row.text("origin").and_then(Origin::from_word);
    let id = MigrationId {
        subsystem: subsystem.to_string(),
        number: u64::try_from(number).map_err(|_| damaged("number"))?,
    };
    let applied = Applied {
        name: name.to_string(),
        batch: row.number("batch").ok_or_else(|| damaged("batch"))?,
        origin: origin.ok_or_else(|| damaged("origin"))?,
        progress,
        checksums,
        app_version: row.text("app_version").map(str::to_string),
        started: time("started_at"),
        finished: time("finished_at"),
        by: row.text("executed_by").unwrap_or_default().to_string(),
    };
    Ok(Some((id, applied)))
}
