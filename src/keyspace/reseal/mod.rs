//! Proves files that another engine wrote, against the tables that they are for, and makes their manifest.

mod columns;
mod rows;

use crate::backend::Stop;
use crate::backup::TokenRange;
use crate::backup::archive::{Archive, Folder, MANIFEST, find, measure};
use crate::backup::digest::Sum;
use crate::backup::layout;
use crate::backup::manifest::{
    ColumnEntry, Field, Manifest, Outline, Range, Reshaped, Table as Entry,
};
use crate::backup::table::{Part, Shape};
use crate::error::{Diagnostic, Error, Exit, Result};
use columns::Columns;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Things that are wrong which are shown, at most.
const SHOWN: usize = 100;

/// A folder that is resealed.
pub struct Reseal<'a> {
    /// Where the files are.
    pub folder: &'a Path,
    /// The export that they were made of.
    pub from: &'a Archive,
    /// The keyspace that they are for.
    pub keyspace: &'a str,
    /// Its tables.
    pub shapes: &'a [Shape],
    /// Its user-defined types.
    pub types: BTreeMap<String, Vec<Field>>,
    /// The servers' clock, in microseconds since 1970.
    pub now: i64,
    /// Keys that are held at once.
    pub keys_at_once: usize,
    /// Whether a signal wants the run to end.
    pub stop: &'a Stop,
    /// Told of each file that was read: rows, bytes, files, of how many.
    pub progress: &'a dyn Fn(u64, u64, usize, usize),
}

/// What a folder came to.
#[derive(Debug)]
pub struct Made {
    /// What its manifest will say.
    pub manifest: Manifest,
    /// Tables none of whose values has a write time.
    pub untimed: Vec<String>,
    /// What is to be known, a line each.
    pub notes: Vec<String>,
}

/// A table and what its files come to.
#[derive(Default)]
struct Told {
    present: BTreeSet<String>,
    rows: Sum,
    statics: Option<Sum>,
    ranges: Vec<Range>,
    values: u64,
    untimed: BTreeMap<String, u64>,
    early: Option<(u64, i64)>,
}

impl Reseal<'_> {
    /// Reads every file wholly.
    ///
    /// # Errors
    /// All that is wrong in them; an export whose deletions no file can hold; a signal.
    pub async fn run(&self) -> Result<Made> {
        self.deletions()?;
        let names: Vec<&str> = self
            .shapes
            .iter()
            .map(|shape| shape.name.as_str())
            .collect();
        let known = |folder: &str| self.table_of(folder);
        let found = find(self.folder, &known, &names.join(", "))?;
        let of = found.folders.iter().map(|folder| folder.files.len()).sum();
        let mut problems = found.problems;
        let mut tables: BTreeMap<String, (String, Told)> = BTreeMap::new();
        let mut done = (0, 0, 0);
        for folder in found.folders {
            let Some(shape) = self.shapes.iter().find(|shape| shape.name == folder.table) else {
                continue;
            };
            let (_, told) = tables
                .entry(folder.table.clone())
                .or_insert_with(|| (folder.name.clone(), Told::default()));
            self.part(shape, folder, told, &mut problems, &mut |rows, bytes| {
                done = (done.0 + rows, done.1 + bytes, done.2 + 1);
                (self.progress)(done.0, done.1, done.2, of);
            })
            .await?;
        }
        if !problems.is_empty() {
            return Err(refused(problems, self.folder));
        }
        let began = &self.from.manifest.began;
        let mut made = Made {
            manifest: self.manifest()?,
            untimed: Vec::new(),
            notes: Vec::new(),
        };
        if !found.passed_over.is_empty() {
            made.notes.push(format!(
                "passed over, since their names do not end in .parquet: {}",
                found.passed_over.join(", ")
            ));
        }
        for (name, (folder, told)) in tables {
            let Some(shape) = self.shapes.iter().find(|shape| shape.name == name) else {
                continue;
            };
            notes(shape, &told, began, &mut made);
            made.manifest.tables.push(entry(shape, folder, told));
        }
        Ok(made)
    }

    /// The table that a folder of rows is of: that of its name, or that which the export has there.
    fn table_of(&self, folder: &str) -> Option<String> {
        let named = |name: &str| self.shapes.iter().any(|shape| shape.name == name);
        if named(folder) {
            return Some(folder.to_string());
        }
        let mut tables = self.from.manifest.tables.iter();
        let table = tables.find(|table| table.outline.folder == folder)?;
        named(&table.outline.name).then(|| table.outline.name.clone())
    }

    /// What is gone stands beside an export's rows, and nobody can tell what it is gone from in other tables.
    fn deletions(&self) -> Result<()> {
        let ranges = self.from.manifest.tables.iter();
        let files = ranges
            .flat_map(|table| &table.ranges)
            .flat_map(Range::files);
        let gone: u64 = files
            .filter_map(|file| file.deleted.as_ref())
            .map(|deleted| deleted.count)
            .sum();
        match gone {
            0 => Ok(()),
            gone => Err(Error::new(
                Exit::Refused,
                format!(
                    "{} holds what changed since another export, deletions among it ({gone}): files of rows cannot carry them",
                    self.from.folder.display()
                ),
            )
            .now("nothing was written")
            .next("a whole export, with the writers stopped, and the reshaping of that one")),
        }
    }

    async fn part(
        &self,
        shape: &Shape,
        folder: Folder,
        told: &mut Told,
        problems: &mut Vec<Diagnostic>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let part = folder.part;
        let root = self.folder.to_path_buf();
        let (names, row) = layout::name(shape);
        let layout = layout::Layout::of(shape, part, &names, &row);
        let columns = Columns::new(shape.clone(), layout, folder);
        let looked = blocking({
            let root = root.clone();
            move || Ok(columns.look(&root))
        })
        .await?;
        problems.extend(looked.problems);
        let before = problems.len();
        let max_write = self.from.manifest.tables.iter().filter_map(|table| {
            let statics = table.statics.and_then(|sum| sum.max_write);
            table.rows.max_write.max(statics)
        });
        let mut files = rows::Files {
            root,
            layout: looked.layout,
            files: looked.files,
            now: self.now,
            max_write: max_write.max(),
            stop: self.stop.clone(),
            keys_at_once: self.keys_at_once,
        };
        let of_layout = files.layout.fields.iter();
        told.present
            .extend(of_layout.map(|field| field.column.name.clone()));
        let mut read = files.begin();
        for at in 0..files.files.len() {
            self.stop.check()?;
            let (back, state, checked) = blocking(move || files.check(at, read)).await?;
            (files, read) = (back, state);
            progress(
                checked.rows,
                checked.file.as_ref().map_or(0, |file| file.bytes),
            );
            problems.extend(checked.problems);
            told.values += checked.values;
            for (column, count) in checked.untimed {
                *told.untimed.entry(column).or_default() += count;
            }
            if let Some((count, first)) = checked.early {
                let (all, _) = told.early.get_or_insert((0, first));
                *all += count;
            }
            match part {
                Part::Rows => told.rows.join(&checked.sum),
                Part::Statics => told.statics.get_or_insert_default().join(&checked.sum),
            }
            if let Some(file) = checked.file {
                told.ranges.push(self.range(part, file, checked.sum));
            }
        }
        // Keys of files that could not be read are not known.
        if problems.len() == before {
            problems.extend(blocking(move || files.doubles(read)).await?);
        }
        Ok(())
    }

    /// A file of all tokens, read when the export was.
    fn range(&self, part: Part, file: crate::backup::manifest::File, sum: Sum) -> Range {
        let file = Some(crate::backup::manifest::RangeFile {
            file,
            sum,
            deleted: None,
        });
        let (rows, statics) = match part {
            Part::Rows => (file, None),
            Part::Statics => (None, file),
        };
        let all = || {
            let tables = self.from.manifest.tables.iter();
            tables.flat_map(|table| &table.ranges)
        };
        let began = self.from.manifest.began_micros().unwrap_or_default() / 1_000;
        Range {
            tokens: TokenRange::RING,
            read_from: all().map(|range| range.read_from).min().unwrap_or(began),
            read_to: all().map(|range| range.read_to).max().unwrap_or(began),
            rows,
            statics,
        }
    }

    /// The manifest without its tables: the export's, but for what the files are for.
    fn manifest(&self) -> Result<Manifest> {
        let from = &self.from.manifest;
        let whole = |folder: &Path| std::fs::canonicalize(folder).unwrap_or(folder.to_path_buf());
        let folder = whole(&self.from.folder);
        let earlier = from.reshaped.clone();
        let reshaped = match earlier.filter(|_| folder == whole(self.folder)) {
            // Resealed from itself: it was made of what it was made of.
            Some(earlier) => Reshaped {
                keyspace: self.keyspace.to_string(),
                ..earlier
            },
            None => Reshaped {
                from: folder.display().to_string(),
                sha256: measure(&self.from.folder, MANIFEST)?.sha256,
                keyspace: self.keyspace.to_string(),
                rows: rows_of(from),
            },
        };
        Ok(Manifest {
            types: self.types.clone(),
            tables: Vec::new(),
            reshaped: Some(reshaped),
            ..from.clone()
        })
    }
}

/// The rows of each table.
fn rows_of(manifest: &Manifest) -> BTreeMap<String, u64> {
    let tables = manifest.tables.iter();
    let rows = tables.map(|table| (table.outline.name.clone(), table.rows.rows));
    rows.collect()
}

/// Runs what takes long, or waits for a disk, on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::failed(format!("a file was not read to its end: {error}")))?
}

fn refused(mut problems: Vec<Diagnostic>, folder: &Path) -> Error {
    let count = problems.len();
    let things = if count == 1 { "thing is" } else { "things are" };
    problems.truncate(SHOWN);
    if count > SHOWN {
        let more = format!("… and {} more", count - SHOWN);
        problems.push(Diagnostic::nowhere(more));
    }
    let mut error = Error::usage(format!(
        "{count} {things} wrong in the files of {}",
        folder.display()
    ));
    error.diagnostics = problems.into();
    error
        .now("nothing was written")
        .next("mend them in the engine that wrote them, then the same command")
}

/// A table as the manifest has it: with the columns that its files have.
fn entry(shape: &Shape, folder: String, told: Told) -> Entry {
    let (names, row) = layout::name(shape);
    let columns = shape.columns.iter().zip(names);
    let columns = columns
        .filter(|(column, _)| column.role.is_key() || told.present.contains(&column.name))
        .map(|(column, names)| ColumnEntry {
            name: column.name.clone(),
            role: column.role,
            kind: column.text.clone(),
            names,
        });
    Entry {
        outline: Outline {
            name: shape.name.clone(),
            id: shape.id.clone(),
            folder,
            columns: columns.collect(),
            names: row,
            not_kept: Vec::new(),
        },
        rows: told.rows,
        statics: told.statics,
        ranges: told.ranges,
    }
}

/// What is to be known of a table.
fn notes(shape: &Shape, told: &Told, began: &str, made: &mut Made) {
    let name = &shape.name;
    let empty = shape.columns.iter();
    let empty =
        empty.filter(|column| !column.role.is_key() && !told.present.contains(&column.name));
    for column in empty {
        made.notes
            .push(format!("{name}.{}: no file has it", column.name));
    }
    let untimed: u64 = told.untimed.values().sum();
    if untimed > 0 && untimed == told.values {
        made.untimed.push(name.clone());
    } else {
        for (column, count) in &told.untimed {
            made.notes.push(format!(
                "{name}.{column}: {count} of its values have no write time, and get {began}, when the export began"
            ));
        }
    }
    if let Some((count, first)) = told.early {
        made.notes.push(format!(
            "{name}: {count} write times are of before 2008, {first} for one: microseconds are meant"
        ));
    }
}
