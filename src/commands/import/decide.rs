//! What an import will do, decided before the first row: mapping, preflight, markers, and the questions.

use super::lacking::unknown;
use super::markers;
use super::noted::{known_empty, noted};
use crate::backend::cassandra::Cassandra;
use crate::backend::cassandra::cells::Hitches;
use crate::backup::archive::Archive;
use crate::backup::kind::Types;
use crate::backup::mapping::{self, File, Mapping, TableMap};
use crate::backup::marker::{Marker, Policy, choose};
use crate::backup::preflight::{self, Known};
use crate::backup::table::Shape;
use crate::cli::ImportArgs;
use crate::commands::context::Context;
use crate::cql::schema::{Schema, Table};
use crate::error::{Diagnostic, Error, Exit, Result};
use crate::place::SourceFile;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What will be done with each table.
pub struct Decision {
    /// Tables that are imported.
    pub tables: Vec<Decided>,
    /// Tables that are not, each with its reason.
    pub skipped: Vec<(String, String)>,
    /// The server's settings.
    pub settings: BTreeMap<String, String>,
    notes: Vec<String>,
    unknown: Vec<String>,
    imports: Vec<Value>,
}

/// A table and how it is imported.
pub struct Decided {
    /// What becomes of its columns.
    pub map: Arc<TableMap>,
    /// How markers are written.
    pub marker: Marker,
    /// Why they are.
    why: &'static str,
    /// Whether a person said how.
    pub(super) named: bool,
    /// The keyspace's table as it was read.
    pub table: Arc<Table>,
    /// Tells this mapping apart from others of the same table.
    pub print: String,
    /// Whether the keyspace's table had no row before the first file was imported.
    pub empty: bool,
}

impl Decision {
    /// Reads what there is and decides.
    ///
    /// # Errors
    /// Columns that are not accounted for, or anything that would be lost: 7.
    pub async fn make(
        cassandra: &Cassandra,
        archive: &Archive,
        file: Option<&(SourceFile, File)>,
        args: &ImportArgs,
    ) -> Result<Decision> {
        let (schema, targets) = targets(cassandra).await?;
        let mapping = mapped(archive, file, &schema, &targets)?;
        let settings = cassandra.settings().await?;
        let manifest = &archive.manifest;
        let max_writes = manifest.tables.iter().filter_map(|table| {
            let statics = table.statics.and_then(|sum| sum.max_write);
            Some((
                table.outline.name.clone(),
                table.rows.max_write.max(statics)?,
            ))
        });
        let mut found = preflight::check(&Known {
            mapping: &mapping,
            schema: &schema,
            settings: &settings,
            consistency: &cassandra.level(),
            max_writes: &max_writes.collect(),
            now: cassandra.now().await?,
            masked: &cassandra.masked().await?,
        });
        if manifest.since.is_some() {
            found.refused.extend(merged_elements(&mapping));
        }
        if !found.refused.is_empty() {
            return Err(refused(found.refused));
        }
        let written = mapping.tables.iter().map(|map| &map.target.name);
        cassandra.may_write(&written.collect::<Vec<_>>()).await?;
        let markers = markers::named(&mapping, args)?;
        let prepared = match cassandra.cluster_name().await? == manifest.source.cluster {
            true => cassandra.prepared().await?,
            false => Vec::new(),
        };
        let mut imports = cassandra.imports().await?;
        let began = manifest.began_micros()?;
        let mut tables = Vec::new();
        for map in mapping.tables {
            let table = schema.tables.get(&map.target.name).cloned();
            let table = table.ok_or_else(|| {
                Error::failed(format!("the schema has no table {}", map.target.name))
            })?;
            let mut of_source = manifest.tables.iter();
            let of_source = of_source.find(|table| table.outline.name == map.source.name);
            let bare_rows = of_source.map_or(0, |table| table.rows.bare);
            let evidence = markers::evidence(&map, &manifest.keyspace, &prepared, bare_rows);
            let named = markers.get(&map.source.name).copied();
            let kept = markers::kept(&imports, &map.target.name);
            let (policy, why) = match (named, kept) {
                (Some(policy), _) => (policy, "you said so"),
                (None, Some(policy)) => (policy, "an earlier run of an import has written it so"),
                (None, None) => choose(evidence),
            };
            if let Some(kept) = kept.filter(|kept| *kept != policy) {
                found
                    .notes
                    .push(markers::changed(&map.target.name, kept, policy));
            }
            let first = map
                .target
                .columns
                .first()
                .map(|column| column.name.as_str());
            let empty = match known_empty(&imports, &map.target.name) {
                Some(empty) => empty,
                None => {
                    let found = cassandra.is_empty(&map.target.name, first.unwrap_or_default());
                    match found.await? {
                        true => true,
                        // Another run may have begun with it meanwhile: then what it has noted counts.
                        false => {
                            imports = cassandra.imports().await?;
                            known_empty(&imports, &map.target.name).unwrap_or(false)
                        }
                    }
                }
            };
            tables.push(Decided {
                print: print(&map, policy),
                marker: Marker {
                    policy,
                    cut_off: began,
                },
                map: Arc::new(map),
                why,
                named: named.is_some(),
                table: Arc::new(table),
                empty,
            });
        }
        Ok(Decision {
            tables,
            skipped: mapping.skipped,
            settings,
            notes: found.notes,
            unknown: unknown(archive, &schema),
            imports,
        })
    }

    /// What is said before the first row, line by line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (table, reason) in &self.skipped {
            lines.push(format!("{table} is not imported: {reason}"));
        }
        for table in &self.tables {
            for (column, reason) in &table.map.dropped {
                let source = &table.map.source.name;
                lines.push(format!("{source}.{column} is not imported: {reason}"));
            }
            if !table.map.target.is_counter() {
                lines.push(format!(
                    "row markers of {}: {}, since {}",
                    table.map.target.name,
                    table.marker.policy.word(),
                    table.why
                ));
            }
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    /// Objects of the old keyspace that this one has not.
    pub fn unknown_objects(&self) -> Vec<String> {
        self.unknown.clone()
    }

    /// The policy of each table.
    pub fn markers_json(&self) -> Value {
        let tables = self.tables.iter().map(|table| {
            let policy = table.marker.policy.word();
            (table.map.target.name.clone(), json!(policy))
        });
        Value::Object(tables.collect())
    }

    /// What is noted of a file, as of when it was decided; see [`noted`].
    pub fn noted(&self, sha256: &str, print: &str) -> (bool, bool) {
        noted(&self.imports, sha256, print)
    }

    /// Notes how markers are written, and looks whether a run that began at the same time, as those of other shards do, has
    /// decided otherwise: each notes it before it looks, so that at least one of two sees the other.
    ///
    /// # Errors
    /// One has: 6. The replicas do not answer.
    pub async fn agree(&self, cassandra: &Cassandra, hitches: &Hitches<'_>) -> Result<()> {
        let run = cassandra.run();
        let kept = |table: &&Decided| {
            let name = &table.map.target.name;
            markers::kept(&self.imports, name) != Some(table.marker.policy)
        };
        let tables = self.tables.iter().filter(kept);
        let markers: Map<String, Value> = tables
            .map(|table| {
                let word = table.marker.policy.word();
                (table.map.target.name.clone(), json!(word))
            })
            .collect();
        if markers.is_empty() {
            return Ok(());
        }
        let line = json!({ "state": "decided", "run": run, "markers": markers });
        cassandra.note_import(&line, hitches).await?;
        let now = cassandra.imports().await?;
        match markers::disagreement(&self.imports, &now, &run, &self.tables) {
            Some((table, other)) => Err(markers::undecided(&table, other)),
            None => Ok(()),
        }
    }

    /// Asks before tables that are not empty, and before counters.
    ///
    /// # Errors
    /// No was answered, or nobody can be asked.
    pub async fn ask(&mut self, context: &Context, cassandra: &Cassandra) -> Result<()> {
        let begun: BTreeSet<&str> = self
            .imports
            .iter()
            .filter_map(|line| line["table"].as_str())
            .collect();
        let fresh = |table: &&Decided| !begun.contains(table.map.target.name.as_str());
        let tables = || self.tables.iter().filter(fresh);
        let full: Vec<&str> = tables()
            .filter(|table| !table.empty)
            .map(|table| table.map.target.name.as_str())
            .collect();
        let mut question = String::new();
        if !full.is_empty() {
            question += &format!(
                "{} of {} not empty: rows of the export join what is there, each cell by its write time. ",
                full.join(", "),
                match full.len() {
                    1 => format!("{} is", cassandra.keyspace()),
                    _ => format!("{} are", cassandra.keyspace()),
                }
            );
        }
        let counters: Vec<&str> = tables()
            .filter(|table| table.map.target.is_counter())
            .map(|table| table.map.target.name.as_str())
            .collect();
        if !counters.is_empty() {
            question += &format!(
                "{} hold counters, whose copy is right only while nobody counts: are the old writers stopped? ",
                counters.join(", ")
            );
        }
        match question.is_empty() {
            true => Ok(()),
            false => context.confirm(&format!("{question}Go on?")),
        }
    }
}

/// The schema of the keyspace and its tables, kmig's own left aside.
pub async fn targets(cassandra: &Cassandra) -> Result<(Schema, Vec<Shape>)> {
    let schema = cassandra.schema_of(cassandra.keyspace()).await?;
    let own = cassandra.own_tables();
    let tables = schema.tables.iter().filter(|(name, _)| !own.contains(name));
    let shapes = tables.map(|(name, table)| Shape::read(&schema, name, table));
    let shapes = shapes
        .collect::<Result<Vec<_>, String>>()
        .map_err(Error::failed)?;
    Ok((schema, shapes))
}

/// What becomes of each table of an export.
///
/// # Errors
/// Everything that is not accounted for: 7.
pub fn mapped(
    archive: &Archive,
    file: Option<&(SourceFile, File)>,
    schema: &Schema,
    targets: &[Shape],
) -> Result<Mapping> {
    let sources = archive
        .manifest
        .tables
        .iter()
        .map(|table| archive.shape(table))
        .collect::<Result<Vec<_>>>()?;
    accounted(&sources, file, schema, targets, "the export")
}

/// What becomes of each of these tables, which are those of `what`.
///
/// # Errors
/// Everything that is not accounted for: 7.
pub fn accounted(
    sources: &[Shape],
    file: Option<&(SourceFile, File)>,
    schema: &Schema,
    targets: &[Shape],
    what: &str,
) -> Result<Mapping> {
    let types: Types = schema.types.clone();
    let rules = file.map(|(source, file)| (source, file));
    mapping::plan(rules, sources, targets, &types).map_err(|problems| {
        let count = problems.len();
        let things = if count == 1 { "column or table" } else { "columns or tables" };
        let mut error = Error::new(
            Exit::Refused,
            format!("{count} {things} of {what} cannot be imported as it stands"),
        );
        error.diagnostics = problems.into();
        error
            .now("nothing was written")
            .next("write what becomes of each into a mapping, --mapping mapping.toml; docs/keyspace.md has its form")
    })
}

/// Columns whose elements become one value: what went of them could not be deleted by itself.
fn merged_elements(mapping: &Mapping) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for map in &mapping.tables {
        for moved in &map.moves {
            let (from, to) = (
                &map.source.columns[moved.from],
                &map.target.columns[moved.to],
            );
            if from.composed && !to.composed {
                found.push((
                    format!(
                        "{}.{} is one value, and its elements were several: what went of them since cannot be deleted",
                        map.target.name, to.name
                    ),
                    "a whole export, with the writers stopped, instead of one with --since".to_string(),
                ));
            }
        }
    }
    found
}

fn refused(found: Vec<(String, String)>) -> Error {
    let count = found.len();
    let things = if count == 1 { "thing" } else { "things" };
    let mut error = Error::new(
        Exit::Refused,
        format!("{count} {things} in this keyspace would lose rows or values without an error"),
    );
    error.diagnostics = found
        .into_iter()
        .map(|(message, help)| Diagnostic::nowhere(message).help(help))
        .collect();
    error
        .now("nothing was written")
        .next("mend each, then the same command")
}

/// Tells one mapping of a table from another.
fn print(map: &TableMap, policy: Policy) -> String {
    use sha2::{Digest, Sha256};
    let mut text = format!("{} {} {}", map.source.name, map.target.name, policy.word());
    for moved in &map.moves {
        let (from, to) = (
            &map.source.columns[moved.from],
            &map.target.columns[moved.to],
        );
        text += &format!("\n{} {} {} {}", from.name, from.text, to.name, to.text);
    }
    for (to, value) in &map.constants {
        text += &format!("\n{} = {value:?}", map.target.columns[*to].name);
    }
    let digest = Sha256::digest(text.as_bytes());
    crate::backup::manifest::hex(&digest[..8])
}
