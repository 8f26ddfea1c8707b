//! Proves that a folder holds all of a keyspace, and writes its manifest.

use super::shard::{SealedRange, begun};
use super::{MANIFEST, SCHEMA, check, failed, listed, sync_folder, write_whole};
use crate::backup::digest::Sum;
use crate::backup::manifest::{self, File, Manifest, Range, Table, Unfinished};
use crate::backup::{FORMAT, TokenRange};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What came of sealing.
#[derive(Debug)]
pub enum Sealing {
    /// It is sealed.
    Sealed(Box<Manifest>),
    /// Not all shards are complete: what lacks, a line each.
    Lacks(Vec<String>),
}

/// Ranges that are named, at most.
const NAMED: usize = 5;

/// Writes the manifest of a folder whose shards cover the ring of every table once. `now` is when, RFC 3339.
///
/// # Errors
/// There is no export in it, its shards do not belong together, or a file is missing.
pub fn seal(folder: &Path, now: &str) -> Result<Sealing> {
    let shards = begun(folder)?;
    let Some((_, first)) = shards.first() else {
        return Err(Error::usage(format!(
            "{} holds no export that was begun",
            folder.display()
        ))
        .next("kmig export --to that folder"));
    };
    for (path, shard) in &shards {
        if let Some(why) = differs(first, shard) {
            return Err(Error::failed(format!(
                "the shards do not belong together: {} says otherwise of {why}",
                path.display()
            ))
            .now("nothing was sealed")
            .next("export the shards again into one folder, with the same options, while the schema stays as it is"));
        }
    }
    let mut lacks = Vec::new();
    let mut tables = Vec::new();
    for planned in &first.tables {
        let mut ranges = Vec::new();
        for path in listed(&folder.join(&planned.outline.folder), ".json")? {
            let text = fs::read_to_string(&path).map_err(|error| failed(&path, "read", &error))?;
            let sealed: SealedRange = manifest::read(&path.display().to_string(), &text)?;
            if sealed.id == planned.outline.id {
                ranges.push(sealed.range);
            }
        }
        ranges.sort_by_key(|range| range.tokens);
        lacks.extend(uncovered(&planned.outline.name, &ranges));
        tables.push(table(planned, ranges));
    }
    if !lacks.is_empty() {
        let of = first.shard.1;
        let there: BTreeSet<usize> = shards.iter().map(|(_, shard)| shard.shard.0).collect();
        let never: Vec<String> = (0..of)
            .filter(|at| !there.contains(at))
            .map(|at| format!("shard {at}/{of} was not begun here"))
            .collect();
        return Ok(Sealing::Lacks([never, lacks].concat()));
    }
    for file in tables
        .iter()
        .flat_map(|table| &table.ranges)
        .flat_map(Range::files)
    {
        present(folder, &file.file)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        keyspace: first.keyspace.clone(),
        source: first.source.clone(),
        began: shards
            .iter()
            .map(|(_, shard)| shard.began.clone())
            .min()
            .unwrap_or_default(),
        sealed: now.to_string(),
        types: first.types.clone(),
        tables,
        objects: first.objects.clone(),
        left_out: first.left_out.clone(),
        schema: schema(folder)?,
        since: first.since.clone(),
        reshaped: None,
    };
    write_whole(&folder.join(MANIFEST), &manifest::text(&manifest)?)?;
    tidy(folder, &manifest)?;
    Ok(Sealing::Sealed(Box::new(manifest)))
}

/// In what two shards differ that must be alike.
fn differs(one: &Unfinished, other: &Unfinished) -> Option<&'static str> {
    let outlines = |shard: &Unfinished| -> Vec<_> {
        shard
            .tables
            .iter()
            .map(|table| table.outline.clone())
            .collect()
    };
    let source = |shard: &Unfinished| (shard.source.cluster.clone(), shard.source.options.clone());
    [
        ("the keyspace", one.keyspace == other.keyspace),
        ("the cluster or the options", source(one) == source(other)),
        ("the number of shards", one.shard.1 == other.shard.1),
        ("the types", one.types == other.types),
        ("the tables", outlines(one) == outlines(other)),
        ("what is left out", one.left_out == other.left_out),
        ("what it adds to", one.since == other.since),
    ]
    .into_iter()
    .find_map(|(what, same)| (!same).then_some(what))
}

/// What of the ring is not sealed of a table, or more than once.
fn uncovered(table: &str, ranges: &[Range]) -> Vec<String> {
    let tokens: Vec<TokenRange> = ranges.iter().map(|range| range.tokens).collect();
    let (holes, doubles) = TokenRange::RING.uncovered(&tokens);
    let line = |what: &str, found: &[TokenRange]| {
        let named: Vec<String> = found.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match found.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!found.is_empty()).then(|| format!("{table}: {what} {}{more}", named.join(", ")))
    };
    [
        line("not exported yet are the tokens", &holes),
        line("exported more than once are the tokens", &doubles),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn table(planned: &manifest::Planned, ranges: Vec<Range>) -> Table {
    let mut rows = Sum::default();
    let mut statics: Option<Sum> = None;
    for range in &ranges {
        if let Some(file) = &range.rows {
            rows.join(&file.sum);
        }
        if let Some(file) = &range.statics {
            statics.get_or_insert_default().join(&file.sum);
        }
    }
    Table {
        outline: planned.outline.clone(),
        rows,
        statics,
        ranges,
    }
}

/// Whether a file that was sealed is still there.
fn present(folder: &Path, file: &File) -> Result<()> {
    let path = folder.join(&file.path);
    let found = fs::metadata(&path).map_err(|error| failed(&path, "read", &error))?;
    if found.len() == file.bytes {
        return Ok(());
    }
    check(folder, file)
}

fn schema(folder: &Path) -> Result<File> {
    let path = folder.join(SCHEMA);
    let text = fs::read(&path).map_err(|error| failed(&path, "read", &error))?;
    Ok(File {
        path: SCHEMA.to_string(),
        bytes: text.len() as u64,
        sha256: manifest::hex(&Sha256::digest(&text)),
    })
}

/// Removes what stood for the manifest. A folder where this was cut short is sealed all the same.
fn tidy(folder: &Path, manifest: &Manifest) -> Result<()> {
    let remove =
        |path: &Path| fs::remove_file(path).map_err(|error| failed(path, "removed", &error));
    for table in &manifest.tables {
        let folder = folder.join(&table.outline.folder);
        for path in listed(&folder, ".json")? {
            remove(&path)?;
        }
        sync_folder(&folder)?;
    }
    for path in listed(folder, "")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("unfinished.") {
            remove(&path)?;
        }
    }
    sync_folder(folder)
}
