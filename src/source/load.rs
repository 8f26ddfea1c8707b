//! The only reader of the migrations folder: directories and files to values, with nothing decided.

use super::{Dialect, names};
use crate::error::reason;
use std::fs;
use std::io;
use std::path::Path;

/// A folder as it was found.
#[derive(Debug, Default)]
pub struct Folder {
    /// How it is shown.
    pub path: String,
    /// What lies in it, by name; what [`names::ignored`] passes over is left out.
    pub entries: Vec<Entry>,
}

/// One thing in a folder.
#[derive(Debug)]
pub struct Entry {
    /// Its name; a name that is not UTF-8 stands here with replacement characters.
    pub name: String,
    /// How it is shown.
    pub path: String,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Debug)]
pub enum Content {
    /// A folder and what lies in it.
    Folder(Folder),
    /// A file of the dialect in use, read.
    Text(Vec<u8>),
    /// Any other file, not read.
    Other,
    /// Something that could not be read, and why.
    Unreadable(String),
}

/// Subsystem, migration, part: nothing that counts lies deeper, and no loop of links leads on for ever.
const DEPTH: usize = 3;

/// Reads the migrations folder. `shown` is how the folder is called in messages.
///
/// # Errors
/// Only where the folder itself cannot be listed; trouble below it is kept as [`Content::Unreadable`].
pub fn read(root: &Path, shown: &str, dialect: Dialect) -> io::Result<Folder> {
    folder(root, shown, dialect, DEPTH)
}

fn folder(directory: &Path, shown: &str, dialect: Dialect, depth: usize) -> io::Result<Folder> {
    let mut found = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    found.sort_by_key(fs::DirEntry::file_name);
    let entries = found
        .iter()
        .filter_map(|item| entry(item, shown, dialect, depth));
    Ok(Folder {
        path: shown.to_string(),
        entries: entries.collect(),
    })
}

/// One thing in a folder; nothing where it is passed over.
fn entry(item: &fs::DirEntry, shown: &str, dialect: Dialect, depth: usize) -> Option<Entry> {
    let raw = item.file_name();
    let name = raw.to_string_lossy().into_owned();
    if names::ignored(&name) {
        return None;
    }
    let path = format!("{shown}/{name}");
    let content = match raw.to_str() {
        None => Content::Unreadable("its name is not UTF-8".into()),
        Some(_) => content(item, &path, dialect, depth)
            .unwrap_or_else(|error| Content::Unreadable(reason(&error))),
    };
    Some(Entry {
        name,
        path,
        content,
    })
}

fn content(
    item: &fs::DirEntry,
    shown: &str,
    dialect: Dialect,
    depth: usize,
) -> io::Result<Content> {
    // The entry's own type costs no system call; only a link has to be followed.
    let mut kind = item.file_type()?;
    if kind.is_symlink() {
        kind = fs::metadata(item.path())?.file_type();
    }
    if kind.is_dir() {
        return Ok(Content::Folder(if depth > 1 {
            folder(&item.path(), shown, dialect, depth - 1)?
        } else {
            Folder::default()
        }));
    }
    let wanted = Path::new(shown)
        .extension()
        .is_some_and(|extension| extension == dialect.extension());
    if !kind.is_file() {
        Ok(Content::Unreadable("it is no regular file".into()))
    } else if wanted {
        Ok(Content::Text(fs::read(item.path())?))
    } else {
        Ok(Content::Other)
    }
}
