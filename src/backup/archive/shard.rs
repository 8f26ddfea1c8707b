//! A share of an export that is not sealed yet.

use super::{MANIFEST, Output, SCHEMA, failed, listed, sync_folder, write_whole};
use crate::backup::TokenRange;
use crate::backup::manifest::{self, Planned, Range, Unfinished};
use crate::backup::table::Part;
use crate::error::{Error, Exit, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};

/// A share of an export, in its folder, held by one process.
#[derive(Debug)]
pub struct Shard {
    /// The folder.
    pub folder: PathBuf,
    /// What is exported, and in which ranges.
    pub plan: Unfinished,
    /// Held for as long as this lives; the system lets go of it when the process ends.
    _lock: fs::File,
}

/// What is said of a range when it is sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SealedRange {
    /// The format's version.
    pub format: u32,
    /// The table's name.
    pub table: String,
    /// The table's id.
    pub id: String,
    /// The range.
    pub range: Range,
}

/// The name of the document of a shard.
fn document((at, of): (usize, usize)) -> String {
    format!("unfinished.{at}-of-{of}.json")
}

/// The shards that were begun in a folder.
pub(super) fn begun(folder: &Path) -> Result<Vec<(PathBuf, Unfinished)>> {
    let mut found = Vec::new();
    for path in listed(folder, ".json")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("unfinished.") {
            let unfinished = read(&path)?;
            found.push((path, unfinished));
        }
    }
    Ok(found)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|error| failed(path, "read", &error))?;
    manifest::read(&path.display().to_string(), &text)
}

/// The newest folder below `backups` that holds an export of this keyspace of this cluster which is not sealed.
///
/// # Errors
/// A folder cannot be read.
pub fn newest_unsealed(backups: &Path, keyspace: &str, cluster: &str) -> Result<Option<PathBuf>> {
    let mut folders = listed(backups, "Z")?;
    // Their names end in the time they were begun.
    folders.reverse();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let ours = name
            .strip_prefix(keyspace)
            .is_some_and(|rest| rest.starts_with('-'));
        if !ours || folder.join(MANIFEST).exists() {
            continue;
        }
        let shards = begun(&folder)?;
        let of_cluster = |(_, shard): &(PathBuf, Unfinished)| {
            (shard.keyspace.as_str(), shard.source.cluster.as_str()) == (keyspace, cluster)
        };
        if shards.first().is_some_and(of_cluster) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

impl Shard {
    /// Goes on with a shard that was begun in a folder; nothing where it was not. What is half written there goes away.
    ///
    /// # Errors
    /// The folder is sealed, cannot be read, or another process works on this shard.
    pub fn resume(folder: &Path, shard: (usize, usize)) -> Result<Option<Self>> {
        if folder.join(MANIFEST).exists() {
            return Err(Error::usage(format!(
                "{} is sealed: the export in it is complete",
                folder.display()
            ))
            .next("another folder; kmig verify compares this one"));
        }
        let path = folder.join(document(shard));
        if !path.exists() {
            return Ok(None);
        }
        let lock = lock(folder, shard)?;
        let shard = Shard {
            plan: read(&path)?,
            folder: folder.to_path_buf(),
            _lock: lock,
        };
        shard.sweep()?;
        Ok(Some(shard))
    }

    /// Begins a shard in a folder, which is made where it is not there.
    ///
    /// # Errors
    /// The file system refuses, another process works on it, or the folder holds something else.
    pub fn begin(folder: &Path, plan: Unfinished, schema: &str) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| failed(folder, "made", &error))?;
        if let Some((path, other)) = begun(folder)?.into_iter().next() {
            let same = (&other.keyspace, &other.source.cluster, other.shard.1)
                == (&plan.keyspace, &plan.source.cluster, plan.shard.1);
            if !same {
                return Err(Error::usage(format!(
                    "{} belongs to another export: keyspace {} of {}, in {} shards",
                    path.display(),
                    other.keyspace,
                    other.source.cluster,
                    other.shard.1
                ))
                .next("--to with another folder"));
            }
        }
        let lock = lock(folder, plan.shard)?;
        make_folders(folder, &plan)?;
        write_whole(&folder.join(SCHEMA), schema)?;
        // Last: a shard that has its document has all else.
        write_whole(&folder.join(document(plan.shard)), &manifest::text(&plan)?)?;
        if let Some(parent) = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            sync_folder(parent)?;
        }
        let shard = Shard {
            folder: folder.to_path_buf(),
            plan,
            _lock: lock,
        };
        shard.sweep()?;
        Ok(shard)
    }

    /// Removes what is half written in this shard's ranges.
    fn sweep(&self) -> Result<()> {
        for table in &self.plan.tables {
            for part in [Part::Rows, Part::Statics] {
                let folder = self.folder.join(table.outline.folder_of(part));
                for path in listed(&folder, ".tmp")? {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    if table
                        .planned
                        .iter()
                        .any(|range| name.starts_with(&range.stem()))
                    {
                        fs::remove_file(&path).map_err(|error| failed(&path, "removed", &error))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What is sealed of a table's ranges in this shard.
    ///
    /// # Errors
    /// A document cannot be read.
    pub fn sealed(&self, table: &Planned) -> Result<Vec<Range>> {
        let mut sealed = Vec::new();
        for range in &table.planned {
            let path = self.sidecar(table, range);
            if path.exists() {
                let told: SealedRange = read(&path)?;
                if told.id == table.outline.id {
                    sealed.push(told.range);
                }
            }
        }
        Ok(sealed)
    }

    fn sidecar(&self, table: &Planned, range: &TokenRange) -> PathBuf {
        let folder = self.folder.join(&table.outline.folder);
        folder.join(format!("{}.json", range.stem()))
    }

    /// Begins the file of a range.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn output(&self, table: &Planned, range: &TokenRange, part: Part) -> Result<Output> {
        Output::create(&self.folder, &file_name(table, range, part))
    }

    /// Says that a range is sealed. Its files are.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn seal_range(&self, table: &Planned, range: &Range) -> Result<()> {
        let told = SealedRange {
            format: crate::backup::FORMAT,
            table: table.outline.name.clone(),
            id: table.outline.id.clone(),
            range: range.clone(),
        };
        write_whole(&self.sidecar(table, &range.tokens), &manifest::text(&told)?)
    }

    /// Begins some tables anew: what was sealed of them goes away, and they are read as `plan` says.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn begin_anew(&mut self, tables: &[String], plan: Unfinished, schema: &str) -> Result<()> {
        let all = self.plan.tables.iter().chain(&plan.tables);
        for table in all.filter(|table| tables.contains(&table.outline.name)) {
            for range in &table.planned {
                // Files of ranges that are not read again would be taken for the table's. What says that they are sealed
                // goes first.
                let parts = [Part::Rows, Part::Statics];
                let files = parts.map(|part| self.folder.join(file_name(table, range, part)));
                for path in [self.sidecar(table, range)].iter().chain(&files) {
                    if path.exists() {
                        fs::remove_file(path).map_err(|error| failed(path, "removed", &error))?;
                    }
                }
            }
        }
        make_folders(&self.folder, &plan)?;
        write_whole(&self.folder.join(SCHEMA), schema)?;
        write_whole(
            &self.folder.join(document(plan.shard)),
            &manifest::text(&plan)?,
        )?;
        self.plan = plan;
        Ok(())
    }
}

/// The file of a range, below the folder of the manifest.
fn file_name(table: &Planned, range: &TokenRange, part: Part) -> String {
    format!("{}/{}.parquet", table.outline.folder_of(part), range.stem())
}

/// The folders of every table's files.
fn make_folders(folder: &Path, plan: &Unfinished) -> Result<()> {
    for table in &plan.tables {
        for part in [Part::Rows, Part::Statics] {
            if part == Part::Rows || table.outline.has_statics() {
                let path = folder.join(table.outline.folder_of(part));
                fs::create_dir_all(&path).map_err(|error| failed(&path, "made", &error))?;
                sync_folder(&path)?;
            }
        }
    }
    sync_folder(folder)
}

/// Keeps other processes of this machine from the same shard.
fn lock(folder: &Path, shard: (usize, usize)) -> Result<fs::File> {
    let path = folder.join(format!("unfinished.{}-of-{}.lock", shard.0, shard.1));
    let file = fs::File::create(&path).map_err(|error| failed(&path, "written", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            Exit::Locked,
            format!("another kmig is exporting into {}", folder.display()),
        )
        .now("nothing was read")
        .next("wait for its end, or give each its own --shard or folder")),
        Err(TryLockError::Error(error)) => Err(failed(&path, "locked", &error)),
    }
}
