//! A folder of files that another engine wrote: what is in it, and its manifest.

use super::{Archive, MANIFEST, SCHEMA, check, digest, failed, listed, write_whole};
use crate::backup::manifest::{self, File, Manifest};
use crate::backup::table::Part;
use crate::error::{Diagnostic, Error, Result};
use std::fs;
use std::path::Path;

/// Where the manifest of an export stays once its folder was resealed.
pub const EXPORT: &str = "manifest.export.json";

/// What is in a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// Folders of tables that have files.
    pub folders: Vec<Folder>,
    /// Files that are none of Parquet's, below the folder.
    pub passed_over: Vec<String>,
    /// What stands in the way.
    pub problems: Vec<Diagnostic>,
}

/// The files of a part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The table's name.
    pub table: String,
    /// Which rows they have.
    pub part: Part,
    /// The folder of the table's rows, below the manifest's.
    pub name: String,
    /// Its files, below the manifest's folder, in order.
    pub files: Vec<String>,
}

/// Looks for the files of each table. `known` tells which table a folder of rows is of, and `tables` names them all.
///
/// # Errors
/// The folder cannot be read.
pub fn find(folder: &Path, known: &dyn Fn(&str) -> Option<String>, tables: &str) -> Result<Found> {
    let mut found = Found::default();
    if !folder.is_dir() {
        return Err(Error::usage(format!("{} is no folder", folder.display())).next(
            "kmig reseal with the folder that the engine wrote, a folder below it for each table",
        ));
    }
    for path in listed(folder, "")? {
        let name = name(&path);
        let shown = path.display().to_string();
        if name.starts_with("unfinished.") && name.ends_with(".json") {
            let problem = Diagnostic::file(shown, "an export in this folder is not complete");
            let help =
                "kmig export --to this folder goes on with it; reshaped files go into another one";
            found.problems.push(problem.help(help));
            continue;
        }
        if !path.is_dir() {
            if is_parquet(&name) {
                let problem = Diagnostic::file(shown, "it is in no table's folder");
                let help = format!("the files of a table are in a folder of its name: {tables}");
                found.problems.push(problem.help(help));
            }
            continue;
        }
        let (rows, part) = match name.strip_suffix(".static") {
            Some(rows) => (rows.to_string(), Part::Statics),
            None => (name.clone(), Part::Rows),
        };
        let Some(table) = known(&rows) else {
            if name == "_temporary" {
                found.problems.push(unfinished(&path));
            } else if !is_hidden(&name) && holds_parquet(&path)? {
                let problem = Diagnostic::file(shown, format!("the keyspace has no table {rows}"));
                let help = format!("its tables are {tables}");
                found.problems.push(problem.help(help));
            }
            continue;
        };
        let files = files(folder, &path, &mut found)?;
        if files.is_empty() {
            let problem = Diagnostic::file(shown, "it has no file of Parquet");
            let help = "an engine that has no row to write writes a file without rows; else the folder goes away";
            found.problems.push(problem.help(help));
        }
        found.folders.push(Folder {
            table,
            part,
            name: rows,
            files,
        });
    }
    if found.folders.is_empty() && found.problems.is_empty() {
        let problem = Diagnostic::file(folder.display().to_string(), "it has no table's folder");
        let help = format!("the files of a table are in a folder of its name: {tables}");
        found.problems.push(problem.help(help));
    }
    Ok(found)
}

/// The files of a folder of a table, below `root`.
fn files(root: &Path, folder: &Path, found: &mut Found) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for path in listed(folder, "")? {
        let name = name(&path);
        let below = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if name == "_temporary" {
            found.problems.push(unfinished(&path));
        } else if is_hidden(&name) {
            // Of the engine's own: _SUCCESS, .part-….crc.
        } else if path.is_dir() {
            if holds_parquet(&path)? {
                let problem = Diagnostic::file(
                    path.display().to_string(),
                    "it is a folder in a table's folder: what only its name tells is in no column",
                );
                found.problems.push(
                    problem.help(
                        "write the files without partitions (no partitionBy, no PARTITION_BY)",
                    ),
                );
            }
        } else if is_parquet(&name) {
            files.push(below);
        } else if !name.ends_with(".deleted.jsonl") {
            found.passed_over.push(below);
        }
    }
    Ok(files)
}

fn unfinished(path: &Path) -> Diagnostic {
    Diagnostic::file(
        path.display().to_string(),
        "Spark has not finished, or died before its end",
    )
    .help("let the job end, or remove its folder and run it again")
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn is_parquet(name: &str) -> bool {
    name.ends_with(".parquet") && !is_hidden(name)
}

/// What engines pass over as well.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

fn holds_parquet(folder: &Path) -> Result<bool> {
    for path in listed(folder, "")? {
        let held = match path.is_dir() {
            true => holds_parquet(&path)?,
            false => is_parquet(&name(&path)),
        };
        if held {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a manifest says of a file: its length and its SHA-256.
///
/// # Errors
/// It cannot be read.
pub fn measure(folder: &Path, below: &str) -> Result<File> {
    let path = folder.join(below);
    let (bytes, sha256) = digest(&path).map_err(|error| failed(&path, "read", &error))?;
    Ok(File {
        path: below.to_string(),
        bytes,
        sha256,
    })
}

/// Writes the manifest of a folder, last. The schema of the export that it was made of goes beside it, and where the folder is
/// that export its manifest stays under another name.
///
/// # Errors
/// The file system refuses, or the export's schema is not as it was written.
pub fn reseal(folder: &Path, from: &Archive, manifest: &Manifest) -> Result<()> {
    check(&from.folder, &from.manifest.schema)?;
    let schema = from.folder.join(SCHEMA);
    let text = fs::read_to_string(&schema).map_err(|error| failed(&schema, "read", &error))?;
    write_whole(&folder.join(SCHEMA), &text)?;
    let path = folder.join(MANIFEST);
    if path.exists() {
        let old = Archive::open(folder)?;
        if old.manifest.reshaped.is_none() {
            let text = fs::read_to_string(&path).map_err(|error| failed(&path, "read", &error))?;
            write_whole(&folder.join(EXPORT), &text)?;
        }
    }
    write_whole(&path, &manifest::text(manifest)?)
}
