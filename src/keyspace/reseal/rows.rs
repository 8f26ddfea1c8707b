//! The rows of a table's files: each is read, and no key stands twice.

use super::columns::Readable;
use crate::backend::Stop;
use crate::backup::archive::measure;
use crate::backup::digest::{Digester, Sum};
use crate::backup::keys::{Doubles, Keys, passes};
use crate::backup::layout::Layout;
use crate::backup::manifest::File as Entry;
use crate::backup::read::{OF_ROW, Reader, Trouble};
use crate::backup::reshape::{Checked, Judge, shown};
use crate::backup::row::Row;
use crate::backup::table::{Column, Role};
use crate::error::{Diagnostic, Error, Result, reason};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;

/// The files of a part of a table.
pub struct Files {
    /// The folder of the manifest.
    pub root: PathBuf,
    /// The columns that any of them has.
    pub layout: Layout,
    /// Each with the columns that it has itself.
    pub files: Vec<Readable>,
    /// The servers' clock, in microseconds since 1970.
    pub now: i64,
    /// The latest write time of the export.
    pub max_write: Option<i64>,
    /// Whether a signal wants the run to end.
    pub stop: Stop,
    /// Keys that are held at once.
    pub keys_at_once: usize,
}

/// What a file comes to.
pub struct CheckedFile {
    /// Its rows.
    pub rows: u64,
    /// What the manifest says of it; nothing where it cannot be read.
    pub file: Option<Entry>,
    /// What its rows come to.
    pub sum: Sum,
    /// Values that could have a write time.
    pub values: u64,
    /// Values that have none, by column.
    pub untimed: BTreeMap<String, u64>,
    /// Write times that are improbably early: how many, and one of them.
    pub early: Option<(u64, i64)>,
    /// What is wrong.
    pub problems: Vec<Diagnostic>,
}

/// How a file was read.
enum Way {
    Whole(Checked),
    /// What a column holds does not fit.
    Misfit(u64, Option<String>, String),
    Damaged(String),
}

impl Files {
    fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    fn passes(&self) -> u64 {
        passes(self.rows(), self.keys_at_once)
    }

    /// The keys of the first pass, which is the one that reads all else.
    pub fn begin(&self) -> Keys {
        Keys::new(self.rows(), 0, self.passes())
    }

    fn shown(&self, at: usize) -> String {
        self.root.join(&self.files[at].below).display().to_string()
    }

    /// Reads a file wholly, and its keys into those of the pass.
    ///
    /// # Errors
    /// A signal.
    pub fn check(self, at: usize, mut keys: Keys) -> Result<(Files, Keys, CheckedFile)> {
        let shown = self.shown(at);
        // Before its rows: a file that is changed meanwhile is then not as the manifest says.
        let file = measure(&self.root, &self.files[at].below);
        let mut told = CheckedFile {
            rows: self.files[at].rows,
            file: None,
            sum: Sum::default(),
            values: 0,
            untimed: BTreeMap::new(),
            early: None,
            problems: Vec::new(),
        };
        match file {
            Ok(file) => told.file = Some(file),
            Err(error) => {
                told.problems.push(Diagnostic::file(shown, error.message));
                return Ok((self, keys, told));
            }
        }
        // A column that holds what it cannot is left out, and the others are looked at all the same.
        let mut layout = self.files[at].layout.clone();
        loop {
            match self.read(at, &layout, &mut keys, &mut told.values)? {
                Way::Whole(checked) => {
                    for wrong in checked.wrong() {
                        let more = match wrong.more {
                            0 => String::new(),
                            1 => " (and 1 more row)".to_string(),
                            more => format!(" (and {more} more rows)"),
                        };
                        let why = format!(
                            "row {}, column {}: {}{more}",
                            wrong.row, wrong.column, wrong.why
                        );
                        told.problems.push(Diagnostic::file(shown.clone(), why));
                    }
                    told.sum = checked.sum;
                    told.untimed = checked.untimed;
                    told.early = checked.early;
                    return Ok((self, keys, told));
                }
                Way::Misfit(row, column, why) => {
                    let named = column.as_deref().unwrap_or(OF_ROW);
                    let why = format!("row {row}, column {named}: {why}");
                    told.problems.push(Diagnostic::file(shown.clone(), why));
                    let before = layout.fields.len();
                    layout
                        .fields
                        .retain(|field| Some(&field.column.name) != column.as_ref());
                    if layout.fields.len() == before {
                        return Ok((self, keys, told));
                    }
                }
                Way::Damaged(why) => {
                    told.problems.push(Diagnostic::file(shown.clone(), why));
                    return Ok((self, keys, told));
                }
            }
        }
    }

    fn read(&self, at: usize, layout: &Layout, keys: &mut Keys, values: &mut u64) -> Result<Way> {
        let judge = Judge {
            columns: columns(layout),
            now: self.now,
            max_write: self.max_write,
        };
        let (mut checked, mut digester) = (Checked::default(), Digester::default());
        let before = *values;
        let ended = self.each(at, layout, &mut |row, cells| {
            let timed = judge.columns.iter().zip(cells);
            let timed = timed.filter(|(column, cell)| column.is_timed() && cell.value.is_some());
            *values += timed.count() as u64;
            keys.take(checked.row(&judge, &mut digester, row, cells));
        });
        match ended {
            Ok(Ok(())) => Ok(Way::Whole(checked)),
            Ok(Err(Trouble::Value { row, column, why })) => {
                *values = before;
                Ok(Way::Misfit(row, column, why))
            }
            Ok(Err(Trouble::File(error))) => Ok(Way::Damaged(format!(
                "it is no whole file of Parquet: {error}"
            ))),
            Err(error) => {
                self.stop.check()?;
                Ok(Way::Damaged(error.message))
            }
        }
    }

    /// Each row of a file, from 1.
    fn each(
        &self,
        at: usize,
        layout: &Layout,
        take: &mut dyn FnMut(u64, &Row<'_>),
    ) -> Result<Result<(), Trouble>> {
        let shown = self.shown(at);
        let input = File::open(self.root.join(&self.files[at].below))
            .map_err(|error| Error::failed(format!("it cannot be read: {}", reason(&error))))?;
        let mut reader = Reader::open(input, layout, &shown)?;
        let mut row = 0;
        loop {
            self.stop.check()?;
            let block = match reader.rows_that_come() {
                Ok(Some(block)) => block,
                Ok(None) => return Ok(Ok(())),
                Err(trouble) => return Ok(Err(trouble)),
            };
            let mut cells = Vec::new();
            for of_block in 0..block.len() {
                block.row(of_block, &mut cells);
                row += 1;
                take(row, &cells);
            }
        }
    }

    /// The columns of the key alone.
    fn key(&self) -> Layout {
        let fields = self.layout.fields.iter();
        let fields = fields.filter(|field| field.column.role.is_key());
        Layout {
            fields: fields.cloned().collect(),
            row: None,
        }
    }

    /// Keys that stand twice. Where there are more than are held at once, the files' keys are read again.
    ///
    /// # Errors
    /// A file cannot be read any more, or a signal.
    pub fn doubles(self, first: Keys) -> Result<Vec<Diagnostic>> {
        let mut doubles = Doubles::default();
        first.count(&mut doubles);
        let layout = self.key();
        for pass in 1..self.passes() {
            let mut keys = Keys::new(self.rows(), pass, self.passes());
            self.each_key(&layout, &mut |key, _, _, _| keys.take(key))?;
            keys.count(&mut doubles);
        }
        if doubles.rows == 0 {
            return Ok(Vec::new());
        }
        let wanted: BTreeSet<u128> = doubles.some.iter().copied().collect();
        let columns = columns(&layout);
        let mut places: BTreeMap<u128, (String, u64)> = BTreeMap::new();
        let mut problems = Vec::new();
        self.each_key(&layout, &mut |key, at, row, cells| {
            if !wanted.contains(&key) {
                return;
            }
            let Some((file, earlier)) = places.get(&key) else {
                places.insert(key, (self.files[at].below.clone(), row));
                return;
            };
            // One pair of each key is enough to find the mistake.
            if problems.len() < doubles.some.len() {
                let why = format!(
                    "row {row} has the key of row {earlier} of {file}: {}",
                    key_text(&columns, cells)
                );
                let help = "rows of one key become one, and what is earlier in it is lost: group or number them";
                problems.push(Diagnostic::file(self.shown(at), why).help(help));
            }
        })?;
        let more = doubles.rows - (problems.len() as u64).min(doubles.rows);
        if more > 0 {
            let folder = self
                .files
                .first()
                .map(|file| file.below.as_str())
                .unwrap_or_default();
            let folder = folder.split('/').next().unwrap_or_default();
            let why = format!("{more} more rows of {folder} have the key of another row");
            problems.push(Diagnostic::nowhere(why));
        }
        Ok(problems)
    }

    fn each_key(
        &self,
        layout: &Layout,
        take: &mut dyn FnMut(u128, usize, u64, &Row<'_>),
    ) -> Result<()> {
        let columns = columns(layout);
        let mut digester = Digester::default();
        for at in 0..self.files.len() {
            let read = self.each(at, layout, &mut |row, cells| {
                let key = digester.row(&columns, cells, i64::MIN).key;
                take(key, at, row, cells);
            })?;
            read.map_err(|trouble| trouble.error(&self.shown(at)))?;
        }
        Ok(())
    }
}

fn columns(layout: &Layout) -> Vec<Column> {
    let fields = layout.fields.iter();
    fields.map(|field| field.column.clone()).collect()
}

/// `id = 5, at = 2026-01-31T00:00:00Z`
fn key_text(columns: &[Column], row: &Row<'_>) -> String {
    let keys = columns.iter().zip(row);
    let keys = keys.filter(|(column, _)| matches!(column.role, Role::Partition | Role::Clustering));
    let parts = keys.map(|(column, cell)| {
        let value = cell.value.unwrap_or_default();
        format!("{} = {}", column.name, shown(&column.kind, value))
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Types;
    use crate::backup::layout;
    use crate::backup::manifest::UuidForm;
    use crate::backup::row::Cell;
    use crate::backup::table::{Part, Shape};
    use crate::backup::write::Writer;

    fn files(root: PathBuf, keys: &[std::ops::Range<i32>], keys_at_once: usize) -> Files {
        let column = |name, role| Column::read(name, role, "int", &Types::new()).expect("a column");
        let shape = Shape {
            name: "t".into(),
            id: String::new(),
            columns: vec![column("id", Role::Partition), column("v", Role::Regular)],
        };
        let (names, row) = layout::name(&shape);
        let layout = Layout::of(&shape, Part::Rows, &names, &row);
        let files = keys.iter().enumerate().map(|(at, keys)| {
            let below = format!("{at}.parquet");
            let output = File::create(root.join(&below)).expect("a file");
            let mut writer =
                Writer::new(output, &layout, UuidForm::Text, 1 << 20).expect("a writer");
            for key in keys.clone() {
                let key = key.to_be_bytes();
                let row = [Cell::timeless(Some(&key)), Cell::NULL];
                writer.push(&row).expect("a row");
            }
            writer.finish().expect("a file");
            Readable {
                below,
                rows: keys.len() as u64,
                layout: layout.clone(),
            }
        });
        Files {
            files: files.collect(),
            root,
            layout: layout.clone(),
            now: 0,
            max_write: None,
            stop: Stop::default(),
            keys_at_once,
        }
    }

    #[test]
    fn keys_that_stand_twice_are_found_however_few_are_held_at_once() {
        for keys_at_once in [50, 10_000] {
            let folder = tempfile::tempdir().expect("a folder");
            let keys = [0..400, 399..700, 700..1_000, 0..1];
            let mut files = files(folder.path().to_owned(), &keys, keys_at_once);
            let mut seen = files.begin();
            for (at, keys) in keys.iter().enumerate() {
                let (back, state, checked) = files.check(at, seen).expect("a file that is read");
                assert!(checked.problems.is_empty());
                assert_eq!(checked.sum.rows, keys.len() as u64);
                (files, seen) = (back, state);
            }
            let found = files.doubles(seen).expect("keys that are read");
            let told: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
            assert_eq!(
                told,
                [
                    "row 1 has the key of row 400 of 0.parquet: id = 399",
                    "row 1 has the key of row 1 of 0.parquet: id = 0"
                ]
            );
        }
    }
}
