//! Rows that do not fit, in files of their own: one JSON object a line, with the reason and the bytes of CQL.

use crate::backend::cassandra::cells::load::Rejected;
use crate::backup::manifest::hex;
use crate::backup::mapping::TableMap;
use crate::error::{Error, Result, reason};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The folder of rejects, and how many there may be.
#[derive(Debug)]
pub struct Rejects {
    folder: PathBuf,
    allowed: u64,
    counted: u64,
}

/// The rejects of one file of the export. It is made when there is one.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    open: Option<BufWriter<fs::File>>,
}

impl Rejects {
    /// Below a folder, which is made when there is one to keep.
    pub fn new(folder: PathBuf, allowed: u64) -> Self {
        Rejects {
            folder,
            allowed,
            counted: 0,
        }
    }

    /// Where those of a file of the export go.
    pub fn file(&self, path: &str) -> Sink {
        Sink {
            path: self.folder.join(format!("{path}.jsonl")),
            open: None,
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// There are more than are allowed.
    pub fn count(&mut self) -> Result<()> {
        self.counted += 1;
        match self.counted > self.allowed {
            false => Ok(()),
            true => Err(Error::failed(format!(
                "more than {} rows do not fit",
                self.allowed
            ))
            .now("what was imported stays, and files that are not complete are begun anew by the next run")
            .next(format!(
                "look into {}, mend the mapping, or allow more with --max-rejects",
                self.folder.display()
            ))),
        }
    }
}

impl Sink {
    /// Keeps a row.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&mut self, map: &TableMap, row: &Rejected) -> Result<()> {
        let failed = |path: &Path, error: &std::io::Error| {
            Error::failed(format!(
                "{} cannot be written: {}",
                path.display(),
                reason(error)
            ))
            .next("--rejects names another folder")
        };
        if self.open.is_none() {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
            let file = fs::File::create(&self.path).map_err(|error| failed(&self.path, &error))?;
            self.open = Some(BufWriter::new(file));
        }
        let names = map.target.columns.iter().map(|column| column.name.clone());
        let key: Map<String, Value> = names
            .zip(row.key.iter().map(|part| json!(hex(part))))
            .collect();
        let line = json!({
            "table": map.source.name,
            "into": map.target.name,
            "key": key,
            "column": row.column,
            "reason": row.reason,
            "value": row.value.as_deref().map(hex),
        });
        match &mut self.open {
            Some(open) => writeln!(open, "{line}").map_err(|error| failed(&self.path, &error)),
            None => Ok(()),
        }
    }

    /// Ends the file; one of an earlier run goes where there is nothing to keep any more.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn close(self) -> Result<()> {
        let done = match self.open {
            Some(mut open) => open.flush(),
            None => match fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        };
        done.map_err(|error| {
            Error::failed(format!(
                "{} cannot be written: {}",
                self.path.display(),
                reason(&error)
            ))
        })
    }
}
