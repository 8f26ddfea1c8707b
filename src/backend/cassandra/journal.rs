//! Lines of the journal: append-only, each under a time of its own, so that nothing that was written is ever written over.

use super::fault::{Fault, Kind};
use super::names::{literal, literal_or_null};
use super::query::{How, Sender};
use super::record::Recorder;
use crate::error::Result;
use crate::plan::schedule::Unit;
use crate::source::{Migration, PartKind};

/// What a line says beside who wrote it.
#[derive(Debug, Clone, Default)]
pub struct Line<'a> {
    /// `batch`, `intent`, `step`, `failed`, `override` …
    pub kind: &'a str,
    /// The batch.
    pub batch: Option<i64>,
    /// The migration concerned.
    pub migration: Option<&'a Migration>,
    /// Its part.
    pub part: Option<PartKind>,
    /// The first statement that it is about, from 0.
    pub first_statement: Option<usize>,
    /// The state that the migration is in from now on.
    pub state: Option<&'a str>,
    /// An application version.
    pub app_version: Option<&'a str>,
    /// JSON.
    pub detail: Option<String>,
}

impl<'a> Line<'a> {
    /// A line on a unit.
    pub fn of(kind: &'a str, unit: &Unit<'a>, batch: i64) -> Self {
        Line {
            kind,
            batch: Some(batch),
            migration: Some(unit.migration),
            part: Some(unit.kind),
            first_statement: Some(unit.range.start),
            ..Line::default()
        }
    }
}

/// Writes lines, in their order, in one request.
///
/// # Errors
/// The replicas do not answer, or the rights are missing.
pub async fn write(
    sender: &Sender,
    recorder: &Recorder,
    run: &str,
    lines: &[Line<'_>],
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = lines.iter().map(|line| text(recorder, run, line)).collect();
    // One partition: an unlogged batch is one write.
    let request = format!("BEGIN UNLOGGED BATCH {} APPLY BATCH", texts.join(" "));
    match sender.read(&request).await {
        Ok(_) => Ok(()),
        Err(fault) if fault.kind == Kind::InDoubt && fault.code.is_some() => {
            // Each line would get a new time, so what is there is not written again.
            if stands(sender, recorder, run, lines).await? {
                return Ok(());
            }
            let written = sender.settled(&request, How::default()).await;
            written.map_err(Fault::error)?;
            Ok(())
        }
        Err(fault) => Err(fault.error()),
    }
}

/// Whether the last of some lines is the last that a run has written; they are written together or not at all.
async fn stands(
    sender: &Sender,
    recorder: &Recorder,
    run: &str,
    lines: &[Line<'_>],
) -> Result<bool> {
    let query = format!(
        "SELECT run, kind, number, first_statement, detail FROM {} WHERE incarnation = {} ORDER BY at DESC LIMIT 100",
        recorder.names.journal, recorder.incarnation
    );
    let rows = sender.settled(&query, How::default()).await;
    let rows = rows.map_err(Fault::error)?;
    let newest = rows.iter().find(|row| row.text("run") == Some(run));
    Ok(newest.zip(lines.last()).is_some_and(|(row, line)| {
        row.text("kind") == Some(line.kind)
            && row.number("number")
                == line
                    .migration
                    .and_then(|migration| i64::try_from(migration.id.number).ok())
            && row.number("first_statement")
                == line
                    .first_statement
                    .and_then(|first| i64::try_from(first).ok())
            && row.text("detail") == line.detail.as_deref()
    }))
}

fn text(recorder: &Recorder, run: &str, line: &Line<'_>) -> String {
    let number = |value: Option<String>| value.unwrap_or_else(|| "null".to_string());
    let id = line.migration.map(|migration| &migration.id);
    let values = [
        recorder.incarnation.to_string(),
        "now()".to_string(),
        literal(run),
        literal(line.kind),
        number(line.batch.map(|batch| batch.to_string())),
        literal_or_null(id.map(|id| id.subsystem.as_str())),
        number(id.map(|id| id.number.to_string())),
        literal_or_null(line.migration.map(|migration| migration.name.as_str())),
        literal_or_null(line.part.map(PartKind::name)),
        number(line.first_statement.map(|first| first.to_string())),
        literal_or_null(line.state),
        literal_or_null(line.app_version),
        literal(&recorder.by),
        literal(env!("CARGO_PKG_VERSION")),
        literal_or_null(line.detail.as_deref()),
    ];
    format!(
        "INSERT INTO {} (incarnation, at, run, kind, \"batch\", subsystem, number, name, part, first_statement, state, \
         app_version, executed_by, kmig_version, detail) VALUES ({});",
        recorder.names.journal,
        values.join(", ")
    )
}
