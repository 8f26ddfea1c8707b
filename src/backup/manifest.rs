//! manifest.json, and the smaller documents that stand in its place until a folder is sealed. Pure: values and their text.

use super::digest::Sum;
use super::layout::{Layout, Names};
use super::table::{Column, Part, Role, Shape};
use super::{FORMAT, TokenRange};
use crate::error::{Error, Exit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a sealed folder says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format's version.
    pub format: u32,
    /// The keyspace, unquoted.
    pub keyspace: String,
    /// Where it stood, and how it was read.
    pub source: Source,
    /// When the first range was begun and the last one sealed, RFC 3339 by the clocks of kmig's machines.
    pub began: String,
    /// See `began`.
    pub sealed: String,
    /// User-defined types by name: fields in order.
    pub types: BTreeMap<String, Vec<Field>>,
    /// The tables, by name.
    pub tables: Vec<Table>,
    /// Objects of the keyspace that are no tables: they stand in schema.cql and have no rows here.
    pub objects: Vec<Object>,
    /// What was left out because somebody said so.
    pub left_out: Vec<LeftOut>,
    /// schema.cql.
    pub schema: File,
    /// The folder that this one adds to, where it holds only what changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Value>,
    /// What the files were made of, where another engine wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reshaped: Option<Reshaped>,
}

/// What reshaped files were made of. All else that the manifest says of a source is the export's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reshaped {
    /// The folder of the export.
    pub from: String,
    /// SHA-256 of its manifest's bytes.
    pub sha256: String,
    /// The keyspace whose tables the files are for.
    pub keyspace: String,
    /// How many rows the export has of each of its tables.
    pub rows: BTreeMap<String, u64>,
}

/// Where the rows came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The cluster's name.
    pub cluster: String,
    /// Versions of its servers.
    pub versions: Vec<String>,
    /// The partitioner's class.
    pub partitioner: String,
    /// The schema's version when the export began.
    pub schema_version: String,
    /// kmig's version.
    pub kmig: String,
    /// The application's name and version, where kmig.toml tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// How it was read.
    pub options: Options,
}

/// The application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What decides how a row is written: the same in every shard of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The level at which rows were read.
    pub consistency: String,
    /// How uuids are written.
    pub uuid: UuidForm,
    /// What stands for the times of elements that the server does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element_times: Option<ElementTimes>,
}

/// How a uuid is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UuidForm {
    /// As text of 36 letters, which everybody reads.
    #[default]
    Text,
    /// As 16 bytes.
    Bytes,
    /// As 16 bytes of Parquet's logical type UUID, which Spark refuses.
    Logical,
}

/// What stands for times of elements before 5.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElementTimes {
    /// The latest write time of the row's other cells, and their last expiry; 1 µs where there is no other cell.
    RowMax,
    /// A fixed write time in microseconds, and no expiry.
    At(i64),
}

/// A field of a user-defined type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type as system_schema writes it.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What does not change while it is exported.
    #[serde(flatten)]
    pub outline: Outline,
    /// Rows of all its files.
    pub rows: Sum,
    /// Partitions that have a static value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statics: Option<Sum>,
    /// Its ranges in the order of tokens.
    pub ranges: Vec<Range>,
}

/// What is known of a table before its first row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The folder of its files, below the manifest's.
    pub folder: String,
    /// Its columns in the order of a row, static ones included.
    pub columns: Vec<ColumnEntry>,
    /// The columns of its files that belong to the row.
    pub names: Names,
    /// What the server does not tell, and so cannot be kept: one sentence each.
    pub not_kept: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its type as system_schema writes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The columns of the files that it became.
    #[serde(flatten)]
    pub names: super::layout::ColumnNames,
}

/// A token range of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Its tokens.
    #[serde(flatten)]
    pub tokens: TokenRange,
    /// When its first and last page were read, in milliseconds since 1970 by the clocks of the coordinators.
    pub read_from: i64,
    /// See `read_from`.
    pub read_to: i64,
    /// The file of its rows. Of a reshaped folder each file stands in a range of its own, of all tokens, since its rows are in
    /// no order of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RangeFile>,
    /// The file of its static columns, where the table has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statics: Option<RangeFile>,
}

impl Range {
    /// The file of a part.
    pub fn file(&self, part: Part) -> Option<&RangeFile> {
        match part {
            Part::Rows => self.rows.as_ref(),
            Part::Statics => self.statics.as_ref(),
        }
    }

    /// Its files, rows first.
    pub fn files(&self) -> impl Iterator<Item = &RangeFile> {
        self.rows.iter().chain(&self.statics)
    }
}

/// A file of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RangeFile {
    /// Where it is, how long, and what it holds.
    #[serde(flatten)]
    pub file: File,
    /// What its rows come to.
    #[serde(flatten)]
    pub sum: Sum,
    /// What is gone since the export that this one adds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deletions>,
}

/// A file of what is gone: a line of JSON each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deletions {
    /// Where it is, and how long.
    #[serde(flatten)]
    pub file: File,
    /// How many.
    pub count: u64,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Below the manifest's folder, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// An object of the keyspace that has no rows of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// `index`, `view`, `function`, `aggregate`, `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// What was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// `table` or `table.column`.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A shard that is not sealed yet: what a rerun must find as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The format's version.
    pub format: u32,
    /// The keyspace.
    pub keyspace: String,
    /// Where it stands, and how it is read.
    pub source: Source,
    /// When it was begun.
    pub began: String,
    /// Which shard, from 0, and of how many.
    pub shard: (usize, usize),
    /// User-defined types.
    pub types: BTreeMap<String, Vec<Field>>,
    /// The tables, each with the ranges it is read in.
    pub tables: Vec<Planned>,
    /// Objects that are no tables.
    pub objects: Vec<Object>,
    /// What is left out.
    pub left_out: Vec<LeftOut>,
    /// The folder that this one adds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Value>,
}

/// A table with the ranges it is read in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The table.
    #[serde(flatten)]
    pub outline: Outline,
    /// Its ranges in this shard.
    pub planned: Vec<TokenRange>,
}

impl Manifest {
    /// When the export began, in microseconds since 1970: the write time of what has none of its own.
    ///
    /// # Errors
    /// The manifest tells no time.
    pub fn began_micros(&self) -> Result<i64, Error> {
        let told = || Error::failed(format!("the manifest tells no time: {}", self.began));
        let at = OffsetDateTime::parse(&self.began, &Rfc3339).map_err(|_| told())?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000).map_err(|_| told())
    }
}

impl Outline {
    /// The table's columns, types included.
    ///
    /// # Errors
    /// A type that cannot be read.
    pub fn shape(&self, types: &BTreeMap<String, Vec<Field>>) -> Result<Shape, String> {
        let known = types.iter().map(|(name, fields)| {
            let fields = fields.iter();
            let fields = fields.map(|field| (field.name.clone(), field.kind.clone()));
            (name.clone(), fields.collect())
        });
        let known = known.collect();
        let columns = self.columns.iter().map(|column| {
            Column::read(&column.name, column.role, &column.kind, &known)
                .map_err(|why| format!("{}.{}: {why}", self.name, column.name))
        });
        Ok(Shape {
            name: self.name.clone(),
            id: self.id.clone(),
            columns: columns.collect::<Result<_, _>>()?,
        })
    }
}

impl Outline {
    /// The folder of its files of one part: static columns apart, so that each folder has files of one schema.
    pub fn folder_of(&self, part: Part) -> String {
        match part {
            Part::Rows => self.folder.clone(),
            // No table has a name with a dot.
            Part::Statics => format!("{}.static", self.folder),
        }
    }

    /// Whether it has static columns.
    pub fn has_statics(&self) -> bool {
        self.columns
            .iter()
            .any(|column| column.role == Role::Static)
    }

    /// The columns of its files of one part; the shape is its own.
    pub fn layout(&self, shape: &Shape, part: Part) -> Layout {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| column.names.clone())
            .collect();
        Layout::of(shape, part, &names, &self.names)
    }
}

/// The member that holds the digest of all others.
const SEAL: &str = "sha256";

/// The text of a document, with the digest of what it says as its last member.
///
/// # Errors
/// None of ours: a value that has no JSON.
pub fn text<T: Serialize>(document: &T) -> Result<String, Error> {
    let failed = |error: serde_json::Error| Error::failed(format!("no JSON: {error}"));
    let mut value = serde_json::to_value(document).map_err(failed)?;
    let seal = seal(&value);
    if let Value::Object(members) = &mut value {
        members.insert(SEAL.to_string(), Value::String(seal));
    }
    let mut text = serde_json::to_string_pretty(&value).map_err(failed)?;
    text.push('\n');
    Ok(text)
}

/// SHA-256 over the members without blanks, names in order.
fn seal(value: &Value) -> String {
    hex(&Sha256::digest(value.to_string().as_bytes()))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a document that [`text`] wrote. `path` is for messages.
///
/// # Errors
/// It is damaged, was edited, or is of another format.
pub fn read<T: for<'de> Deserialize<'de>>(path: &str, text: &str) -> Result<T, Error> {
    let damaged = |why: &str| {
        Error::failed(format!("{path} {why}"))
            .next("the folder as the export left it; a file that was copied badly is copied again")
    };
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| damaged(&format!("is damaged: {error}")))?;
    let format = value.get("format").and_then(Value::as_u64);
    if let Some(format) = format.filter(|format| *format > u64::from(FORMAT)) {
        // Whatever else it says: each format names who wrote it there.
        let writer = value.pointer("/source/kmig").and_then(Value::as_str);
        return Err(Error::new(
            Exit::Ahead,
            format!("{path} is of format {format}, and this kmig reads up to {FORMAT}"),
        )
        .now("nothing was written")
        .next(match writer {
            Some(version) => {
                format!("the same command of kmig {version}, which wrote it, or a newer one")
            }
            None => "the same command of a newer kmig".to_string(),
        }));
    }
    let told = match &mut value {
        Value::Object(members) => members.remove(SEAL),
        _ => None,
    };
    match told {
        Some(Value::String(told)) if told == seal(&value) => {}
        Some(_) => return Err(damaged("is not as it was written: its sha256 does not fit")),
        None => return Err(damaged("is not as it was written: it has no sha256")),
    }
    serde_json::from_value(value).map_err(|error| damaged(&format!("cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            consistency: "LOCAL_QUORUM".into(),
            uuid: UuidForm::Text,
            element_times: Some(ElementTimes::At(7)),
        }
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let written = text(&options()).expect("a text");
        assert_eq!(
            read::<Options>("m", &written).expect("a document"),
            options()
        );
    }

    #[test]
    fn an_edited_document_is_refused() {
        let written = text(&options()).expect("a text");
        for wrong in [
            written.replace("LOCAL_QUORUM", "ONE"),
            written.replace("sha256", "sha"),
            written[..written.len() / 2].to_string(),
            "{\"format\": 2}".to_string(),
        ] {
            assert!(read::<Options>("m", &wrong).is_err(), "{wrong}");
        }
    }
}
