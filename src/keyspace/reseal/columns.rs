//! The columns of a table's files: each is accounted for, before a row is read.

use crate::backup::archive::Folder;
use crate::backup::layout::{Field, Layout};
use crate::backup::read::{OF_ROW, Survey, survey};
use crate::backup::table::{Part, Role, Shape};
use crate::error::{Diagnostic, reason};
use crate::near::nearest;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

/// The files of a part of a table, and what they should have.
pub struct Columns {
    shape: Shape,
    layout: Layout,
    folder: Folder,
}

/// What they have.
pub struct Looked {
    /// Files that can be read.
    pub files: Vec<Readable>,
    /// The columns that any of them has.
    pub layout: Layout,
    /// What is wrong.
    pub problems: Vec<Diagnostic>,
}

/// A file that can be read.
pub struct Readable {
    /// Below the manifest's folder.
    pub below: String,
    /// How many rows it has.
    pub rows: u64,
    /// The columns that it has.
    pub layout: Layout,
}

impl Columns {
    /// Of a table; the layout is that of all its columns.
    pub fn new(shape: Shape, layout: Layout, folder: Folder) -> Self {
        Columns {
            shape,
            layout,
            folder,
        }
    }

    /// Looks at each file.
    pub fn look(self, root: &Path) -> Looked {
        let mut problems = Vec::new();
        let mut seen: Vec<(String, String, Survey)> = Vec::new();
        for below in &self.folder.files {
            let path = root.join(below);
            let shown = path.display().to_string();
            let input = match File::open(&path) {
                Ok(input) => input,
                Err(error) => {
                    let why = format!("it cannot be read: {}", reason(&error));
                    problems.push(Diagnostic::file(shown, why));
                    continue;
                }
            };
            match survey(input, &self.layout) {
                Ok(found) => seen.push((below.clone(), shown, found)),
                Err(error) => {
                    let why = format!("it is no whole file of Parquet: {error}");
                    problems.push(Diagnostic::file(shown, why));
                }
            }
        }
        let union: BTreeSet<&str> = seen
            .iter()
            .flat_map(|(_, _, survey)| survey.columns.iter().map(String::as_str))
            .collect();
        let mut files = Vec::new();
        for (below, shown, survey) in &seen {
            self.unknown(shown, survey, &mut problems);
            self.missing(shown, survey, &union, &mut problems);
            for (column, why) in &survey.misfits {
                let kind = self
                    .shape
                    .columns
                    .iter()
                    .find(|known| known.name == *column);
                let kind = kind.map_or("a number of 64 bits", |known| known.text.as_str());
                let problem = Diagnostic::file(shown, format!("column {column}: {why}"));
                problems.push(problem.help(format!("the table has {kind} there")));
            }
            let own: BTreeSet<&str> = survey.columns.iter().map(String::as_str).collect();
            let misfit = |name: &str| survey.misfits.iter().any(|(column, _)| column == name);
            let mut layout = self.layout_of(&own);
            // What cannot be read is named, and the rest is read all the same.
            layout.fields.retain(|field| !misfit(&field.column.name));
            layout.row = layout.row.filter(|_| !misfit(OF_ROW));
            files.push(Readable {
                below: below.clone(),
                rows: survey.rows,
                layout,
            });
        }
        Looked {
            files,
            layout: self.layout_of(&union),
            problems,
        }
    }

    /// What of the table's columns is among these.
    fn layout_of(&self, columns: &BTreeSet<&str>) -> Layout {
        let fields = self.layout.fields.iter();
        let fields = fields.filter(|field| has(field, columns));
        Layout {
            fields: fields.cloned().collect(),
            row: self.layout.row.clone(),
        }
    }

    /// Columns that nobody would read.
    fn unknown(&self, shown: &str, survey: &Survey, problems: &mut Vec<Diagnostic>) {
        let known: BTreeSet<&str> = self.names().collect();
        for column in &survey.columns {
            if known.contains(column.as_str()) {
                continue;
            }
            let of_table = self.shape.columns.iter().find(|of| of.name == *column);
            let table = &self.shape.name;
            let (why, help) = match (of_table.map(|of| of.role), self.folder.part) {
                (Some(Role::Static), Part::Rows) => (
                    format!("column {column} is static"),
                    format!(
                        "static columns have files of their own, in {table}.static, a row for each partition"
                    ),
                ),
                (Some(_), Part::Statics) => (
                    format!("column {column} is not static"),
                    format!("files of {table}.static have the partition key and static columns"),
                ),
                _ => (
                    format!("{table} has no column {column}, and no column of it has such times"),
                    match nearest(column, known.iter().copied()) {
                        Some(near) => format!("{near} is meant, or it is left out"),
                        None => "it is left out, or the table gets such a column".to_string(),
                    },
                ),
            };
            problems.push(Diagnostic::file(shown, why).help(help));
        }
    }

    /// Columns without which a row is none, and columns that other files of the table have.
    fn missing(
        &self,
        shown: &str,
        survey: &Survey,
        union: &BTreeSet<&str>,
        problems: &mut Vec<Diagnostic>,
    ) {
        let own: BTreeSet<&str> = survey.columns.iter().map(String::as_str).collect();
        let mut others: Vec<&str> = Vec::new();
        for field in self.layout.fields.iter().filter(|field| !has(field, &own)) {
            let name = &field.column.name;
            let times = [&field.names.write_time, &field.names.expiry];
            let mut times = times.into_iter().flatten();
            if field.column.role.is_key() {
                let why = format!("it has no column {name}, which is part of the key");
                problems.push(Diagnostic::file(shown, why));
            } else if has(field, union) {
                others.push(name);
            } else if times.any(|name| own.contains(name.as_str())) {
                let why = format!("it has times of {name}, and no column {name}");
                problems.push(Diagnostic::file(shown, why));
            }
        }
        if !others.is_empty() {
            let others = others.join(", ");
            let why = format!("it lacks {others}, which other files of the table have");
            let help = "files of an earlier run of the engine may have stayed in the folder";
            problems.push(Diagnostic::file(shown, why).help(help));
        }
    }

    /// Every name that a column may have.
    fn names(&self) -> impl Iterator<Item = &str> {
        let fields = self.layout.fields.iter().flat_map(|field| {
            let names = &field.names;
            let others = [&names.write_time, &names.expiry, &names.cql];
            let others = others.into_iter().flatten().map(String::as_str);
            std::iter::once(names.value.as_str()).chain(others)
        });
        let row = self.layout.row.iter();
        let row = row.flat_map(|row| [row.row_write_time.as_str(), row.row_expiry.as_str()]);
        fields.chain(row)
    }
}

/// Whether the values of a column are there.
fn has(field: &Field, columns: &BTreeSet<&str>) -> bool {
    let cql = field.names.cql.as_deref();
    columns.contains(field.names.value.as_str()) || cql.is_some_and(|name| columns.contains(name))
}
