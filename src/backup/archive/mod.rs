//! The folder on disk: the only module of this part that knows a file system.
//!
//! ```text
//! manifest.json                        written last; a folder without it is no backup
//! schema.cql
//! <table>/<range>.parquet              written as .tmp, synced, renamed
//! <table>.static/<range>.parquet       its static columns
//! unfinished.0-of-1.json               until the folder is sealed: what is exported, and in which ranges
//! <table>/<range>.json                 likewise: the range is sealed, and this is what the manifest will say of it
//! ```

mod output;
mod reshaped;
mod seal;
mod shard;

pub use output::Output;
pub use reshaped::{EXPORT, Folder, Found, find, measure, reseal};
pub use seal::{Sealing, seal};
pub use shard::{Shard, newest_unsealed};

use super::layout::Layout;
use super::manifest::{self, File, Manifest, Table};
use super::read::Reader;
use super::table::{Part, Shape};
use crate::error::{Error, Result, reason};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";

/// The schema's name.
pub const SCHEMA: &str = "schema.cql";

/// A sealed folder.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Where it is.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Archive {
    /// Opens a folder and proves its manifest.
    ///
    /// # Errors
    /// It is not there, not sealed, damaged, or of a newer format.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && folder.is_dir() => {
                return Err(Error::failed(format!(
                    "{} has no {MANIFEST}: it is no export, or one that is not complete",
                    folder.display()
                ))
                .next(
                    "kmig export --to that folder, which goes on where it stopped; files of another engine are sealed by kmig reseal",
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(
                    Error::failed(format!("there is no folder {}", folder.display()))
                        .next("the same command with the folder that kmig export wrote"),
                );
            }
            Err(error) => return Err(failed(&path, "read", &error)),
        };
        Ok(Archive {
            manifest: manifest::read(&path.display().to_string(), &text)?,
            folder: folder.to_path_buf(),
        })
    }

    /// Where a file is.
    pub fn path(&self, file: &File) -> PathBuf {
        self.folder.join(&file.path)
    }

    /// Proves that a file is as it was written.
    ///
    /// # Errors
    /// It is missing, cut short, or has other bytes.
    pub fn check(&self, file: &File) -> Result<()> {
        check(&self.folder, file)
    }

    /// The columns of a table.
    ///
    /// # Errors
    /// A type that this kmig does not know.
    pub fn shape(&self, table: &Table) -> Result<Shape> {
        let shape = table.outline.shape(&self.manifest.types);
        shape.map_err(|why| Error::failed(format!("{}: {why}", self.folder.display())))
    }

    /// The columns of a table's files.
    ///
    /// # Errors
    /// As [`Archive::shape`].
    pub fn layout(&self, table: &Table, part: Part) -> Result<Layout> {
        Ok(table.outline.layout(&self.shape(table)?, part))
    }
}

/// Opens a file of rows.
///
/// # Errors
/// It cannot be read, or lacks a column of the layout.
pub fn rows(path: &Path, layout: &Layout) -> Result<Reader<fs::File>> {
    let input = fs::File::open(path).map_err(|error| failed(path, "read", &error))?;
    Reader::open(input, layout, &path.display().to_string())
}

/// Proves that a file of a folder is as it was written.
///
/// # Errors
/// It is missing, cut short, or has other bytes.
pub fn check(folder: &Path, file: &File) -> Result<()> {
    let path = folder.join(&file.path);
    let wrong = |why: String| {
        Error::failed(format!("{} {why}", path.display()))
            .next("copy the file again from where the export was written, or export again")
    };
    let (bytes, sha256) = match digest(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(wrong("is missing".to_string()));
        }
        Err(error) => return Err(failed(&path, "read", &error)),
    };
    if bytes != file.bytes {
        let expected = file.bytes;
        return Err(wrong(format!(
            "has {bytes} bytes and was written with {expected}"
        )));
    }
    match sha256 == file.sha256 {
        true => Ok(()),
        false => Err(wrong(
            "is not as it was written: its sha256 does not fit".to_string(),
        )),
    }
}

/// The length of a file and the SHA-256 of its bytes, in hexadecimal.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut input = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok((bytes, manifest::hex(&digest.finalize()))),
            Ok(read) => {
                digest.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the file system said.
fn failed(path: &Path, verb: &str, error: &std::io::Error) -> Error {
    let shown = path.display();
    let message = format!("{shown} cannot be {verb}: {}", reason(error));
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::failed(message)
                .now("what is sealed stays; the range that was being written is read again")
                .next("make room, then the same command")
        }
        _ => Error::failed(message),
    }
}

/// Makes what a folder lists as durable as its files.
fn sync_folder(folder: &Path) -> Result<()> {
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed(folder, "synced", &error))
}

/// Writes a small file wholly or not at all.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| failed(path, "written", &error))?;
    sync_folder(folder)
}

/// The paths in a folder whose names end like this, in order; none where it is not there.
fn listed(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, "read", &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder, "read", &error))?;
        if entry.file_name().to_string_lossy().ends_with(end) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
