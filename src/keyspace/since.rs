//! An export of what changed since another one: the folders that it adds to, and what is gone, file by file.

use crate::backend::cassandra::cells::token;
use crate::backup::TokenRange;
use crate::backup::archive::{self, Archive, Output, Shard};
use crate::backup::manifest::{Deletions, LeftOut, Planned, RangeFile, Table, Unfinished};
use crate::backup::read;
use crate::backup::since::{Base, Deleted, Merge, Old, old, unhex};
use crate::backup::table::{Column, Part, Role, Shape};
use crate::error::{Error, Exit, Result, reason};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The folders that an export adds to, the whole one first.
#[derive(Debug)]
pub struct Chain {
    archives: Vec<Archive>,
}

/// Rows of a later folder, by token and key; nothing where the row is gone.
type Overlay = BTreeMap<(i64, Vec<Vec<u8>>), Option<Old>>;

impl Chain {
    /// Opens a folder and those that it adds to.
    ///
    /// # Errors
    /// One of them cannot be opened, or is not the one that was added to.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut archives = vec![Archive::open(folder)?];
        if archives[0].manifest.reshaped.is_some() {
            return Err(Error::usage(format!(
                "{} was reshaped: its rows are not those of the keyspace that was exported",
                folder.display()
            ))
            .now("nothing was read")
            .next("--since with the export that it was made of"));
        }
        while let Some(since) = &archives[0].manifest.since {
            let next = PathBuf::from(since["folder"].as_str().unwrap_or_default());
            let began = since["began"].as_str().unwrap_or_default().to_string();
            let before = Archive::open(&next)?;
            if before.manifest.began != began {
                return Err(Error::failed(format!(
                    "{} is not the export that {} adds to",
                    next.display(),
                    archives[0].folder.display()
                ))
                .next("the folders as they were written, or a new export of all"));
            }
            archives.insert(0, before);
        }
        Ok(Chain { archives })
    }

    /// Makes a plan one of what changed: the same ranges, no counters.
    ///
    /// # Errors
    /// A table is another than it was.
    pub fn plan(&self, plan: &mut Unfinished) -> Result<()> {
        let first = &self.archives[0].manifest;
        if (&first.keyspace, &first.source.cluster) != (&plan.keyspace, &plan.source.cluster) {
            return Err(Error::usage(format!(
                "{} is an export of {} of {}",
                self.archives[0].folder.display(),
                first.keyspace,
                first.source.cluster
            ))
            .next("--since with a folder of this keyspace"));
        }
        let mut kept = Vec::new();
        for mut planned in std::mem::take(&mut plan.tables) {
            let counts = planned
                .outline
                .columns
                .iter()
                .any(|column| column.kind == "counter");
            if counts {
                plan.left_out.push(LeftOut {
                    what: planned.outline.name.clone(),
                    reason: "counters are copied once, with the writers stopped".to_string(),
                });
                continue;
            }
            if let Some(table) = self.table(&self.archives[0], &planned.outline.name) {
                let same = table.outline.id == planned.outline.id
                    && table.outline.columns == planned.outline.columns;
                if !same {
                    return Err(Error::new(
                        Exit::Refused,
                        format!(
                            "{} is another table than it was in the export",
                            planned.outline.name
                        ),
                    )
                    .now("nothing was read")
                    .next("a new export, without --since"));
                }
                let (at, of) = plan.shard;
                let ranges = table.ranges.iter().enumerate();
                let ours = ranges.filter(|(place, _)| place % of == at);
                planned.planned = ours.map(|(_, range)| range.tokens).collect();
            }
            kept.push(planned);
        }
        plan.tables = kept;
        plan.left_out.sort();
        plan.since = self.archives.last().map(told);
        Ok(())
    }

    fn table<'a>(&self, archive: &'a Archive, name: &str) -> Option<&'a Table> {
        let mut tables = archive.manifest.tables.iter();
        tables.find(|table| table.outline.name == name)
    }

    /// Compares the rows of a range as they come.
    ///
    /// # Errors
    /// A file of the export is damaged.
    pub fn merge(
        &self,
        planned: &Planned,
        shape: &Shape,
        range: TokenRange,
        part: Part,
    ) -> Result<Merge> {
        let columns: Vec<Column> = shape.part(part).into_iter().cloned().collect();
        let base = self.base(&planned.outline.name, range, part)?;
        Merge::new(columns, part, count, base)
    }

    fn base(&self, table: &str, range: TokenRange, part: Part) -> Result<Base> {
        let mut overlay = Overlay::new();
        for archive in &self.archives[1..] {
            let Some((table, file)) = self.file(archive, table, range, part) else {
                continue;
            };
            if let Some(deletions) = &file.deleted {
                archive.check(&deletions.file)?;
                // Whatever is left of a row that lost something stands in the file of rows, wholly.
                let shape = archive.shape(table)?;
                let partition = shape.of(Role::Partition).count();
                for deleted in lines(&archive.path(&deletions.file))? {
                    let key = unhex(&deleted.key)?;
                    let parts: Vec<&[u8]> = key[..partition].iter().map(Vec::as_slice).collect();
                    overlay.insert((count(&parts), key), None);
                }
            }
            archive.check(&file.file)?;
            let mut rows = Rows::open(archive, table, file, part)?;
            while let Some(row) = rows.next()? {
                overlay.insert((row.token, row.key.clone()), Some(row));
            }
        }
        let first = &self.archives[0];
        let mut rows = match self.file(first, table, range, part) {
            None => None,
            Some((table, file)) => {
                first.check(&file.file)?;
                Some(Rows::open(first, table, file, part)?)
            }
        };
        let replaced: BTreeSet<Vec<Vec<u8>>> = overlay.keys().map(|(_, key)| key.clone()).collect();
        let mut later: VecDeque<Old> = overlay.into_values().flatten().collect();
        let mut ahead: Option<Old> = None;
        Ok(Box::new(move || {
            while ahead.is_none()
                && let Some(open) = &mut rows
            {
                match open.next()? {
                    Some(row) if replaced.contains(&row.key) => {}
                    Some(row) => ahead = Some(row),
                    None => rows = None,
                }
            }
            let first = match (&ahead, later.front()) {
                (Some(row), Some(other)) => row.token <= other.token,
                (one, _) => one.is_some(),
            };
            Ok(match first {
                true => ahead.take(),
                false => later.pop_front(),
            })
        }))
    }

    fn file<'a>(
        &self,
        archive: &'a Archive,
        table: &str,
        range: TokenRange,
        part: Part,
    ) -> Option<(&'a Table, &'a RangeFile)> {
        let table = self.table(archive, table)?;
        let mut ranges = table.ranges.iter();
        let range = ranges.find(|known| known.tokens == range)?;
        Some((table, range.file(part)?))
    }
}

/// What a manifest says of the folder that it adds to.
fn told(archive: &Archive) -> Value {
    let folder = std::fs::canonicalize(&archive.folder).unwrap_or(archive.folder.clone());
    json!({
        "folder": folder.display().to_string(),
        "began": archive.manifest.began,
    })
}

/// The token of a partition key.
fn count(key: &[&[u8]]) -> i64 {
    token(key.iter().copied())
}

/// The rows of a file of an export.
struct Rows {
    rows: read::Rows<File>,
    columns: Vec<Column>,
    began: i64,
}

impl Rows {
    fn open(archive: &Archive, table: &Table, file: &RangeFile, part: Part) -> Result<Self> {
        let layout = archive.layout(table, part)?;
        let reader = archive::rows(&archive.path(&file.file), &layout)?;
        let columns = layout.fields.into_iter().map(|field| field.column);
        Ok(Rows {
            columns: columns.collect(),
            rows: read::Rows::of(reader),
            began: archive.manifest.began_micros()?,
        })
    }

    fn next(&mut self) -> Result<Option<Old>> {
        if !self.rows.advance()? {
            return Ok(None);
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        self.rows.row(&mut cells);
        Ok(Some(old(&self.columns, &cells, count, self.began)))
    }
}

/// The lines of a file of deletions.
///
/// # Errors
/// It cannot be read.
pub fn lines(path: &Path) -> Result<Vec<Deleted>> {
    let wrong = |why: String| Error::failed(format!("{} cannot be read: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(reason(&error)))?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| wrong(reason(&error)))?;
        found.push(serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(found)
}

/// Takes what is gone of a range, while it is read.
pub struct Gone {
    /// The comparison.
    pub merge: Merge,
    below: String,
    folder: PathBuf,
    output: Option<Output>,
    count: u64,
}

impl Gone {
    /// Beside the file of a range's rows.
    pub fn new(
        merge: Merge,
        shard: &Shard,
        planned: &Planned,
        range: &TokenRange,
        part: Part,
    ) -> Self {
        Gone {
            merge,
            below: format!(
                "{}/{}.deleted.jsonl",
                planned.outline.folder_of(part),
                range.stem()
            ),
            folder: shard.folder.clone(),
            output: None,
            count: 0,
        }
    }

    /// Keeps what is gone.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn keep(&mut self, gone: &mut Vec<Deleted>) -> Result<()> {
        for deleted in gone.drain(..) {
            let output = match &mut self.output {
                Some(output) => output,
                None => self
                    .output
                    .insert(Output::create(&self.folder, &self.below)?),
            };
            let line = json!(deleted);
            writeln!(output, "{line}").map_err(|error| {
                Error::failed(format!(
                    "{} cannot be written: {}",
                    self.below,
                    reason(&error)
                ))
            })?;
            self.count += 1;
        }
        Ok(())
    }

    /// Ends the range.
    ///
    /// # Errors
    /// The export that it is compared with cannot be read, or the file system refuses.
    pub fn finish(mut self, now: i64) -> Result<Option<Deletions>> {
        let mut gone = Vec::new();
        self.merge.finish(now, &mut gone)?;
        self.keep(&mut gone)?;
        let Some(output) = self.output else {
            return Ok(None);
        };
        Ok(Some(Deletions {
            file: output.seal()?,
            count: self.count,
        }))
    }
}
