//! Which column of the export becomes which of the keyspace: every one is accounted for, or the import is refused with all
//! that is not (contract §7). Pure.

mod file;
mod keys;

pub use file::{File, Literal, Rules, Word, read};

use super::cast::{Cast, between, constant};
use super::kind::{CqlType, Types, parse};
use super::marker::Policy;
use super::table::{Column, Role, Shape};
use crate::error::Diagnostic;
use crate::place::{Place, SourceFile, Span};
use std::collections::BTreeMap;

/// One table of the export and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    /// The table of the export.
    pub source: Shape,
    /// The table of the keyspace.
    pub target: Shape,
    /// Columns that are taken over.
    pub moves: Vec<Move>,
    /// Columns of the keyspace that have one value in every row.
    pub constants: Vec<(usize, Vec<u8>)>,
    /// Columns of the export that are not imported, each with its reason.
    pub dropped: Vec<(String, String)>,
    /// The policy for row markers, where the mapping names one.
    pub marker: Option<Policy>,
}

/// A column that is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Its place among the columns of the export's table.
    pub from: usize,
    /// Its place among those of the keyspace's table.
    pub to: usize,
    /// What becomes of its values.
    pub cast: Cast,
}

/// What becomes of every table of an export.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Tables that are imported.
    pub tables: Vec<TableMap>,
    /// Tables that are not, each with its reason.
    pub skipped: Vec<(String, String)>,
}

/// Decides what becomes of each table and column. `types` are those of the keyspace.
///
/// # Errors
/// Everything that is not accounted for, or does not fit.
pub fn plan(
    rules: Option<(&SourceFile, &File)>,
    source: &[Shape],
    target: &[Shape],
    types: &Types,
) -> Result<Mapping, Vec<Diagnostic>> {
    let nothing = File::default();
    let (text, file) = match rules {
        Some((text, file)) => (Some(text), file),
        None => (None, &nothing),
    };
    let mut mapping = Mapping::default();
    let mut problems = Vec::new();
    for (name, rules) in &file.tables {
        if let Some(text) = text
            && source.iter().all(|shape| shape.name != *name)
        {
            let place = Place::span(text, rules.name);
            problems.push(Diagnostic::at(
                place,
                format!("the export has no table {name}"),
            ));
        }
    }
    for shape in source {
        let rules = file.tables.get(&shape.name);
        if let Some(skip) = rules.and_then(|rules| rules.skip.as_ref()) {
            mapping
                .skipped
                .push((shape.name.clone(), skip.text.clone()));
            continue;
        }
        let unruled = Rules::default();
        let mut planner = Planner {
            text,
            rules: rules.unwrap_or(&unruled),
            ruled: rules.is_some(),
            source: shape,
            types,
            problems: &mut problems,
        };
        mapping.tables.extend(planner.table(target));
    }
    twice(&mapping, &mut problems);
    match problems.is_empty() {
        true => Ok(mapping),
        false => Err(problems),
    }
}

/// Two tables that become one would overwrite each other's rows, or join them.
fn twice(mapping: &Mapping, problems: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for table in &mapping.tables {
        if let Some(other) = taken.insert(&table.target.name, &table.source.name) {
            let message = format!(
                "{other} and {} both become {}",
                table.source.name, table.target.name
            );
            let help = "[…] skip = \"why\" leaves one of them out";
            problems.push(Diagnostic::nowhere(message).help(help));
        }
    }
}

struct Planner<'a> {
    text: Option<&'a SourceFile>,
    rules: &'a Rules,
    ruled: bool,
    source: &'a Shape,
    types: &'a Types,
    problems: &'a mut Vec<Diagnostic>,
}

impl Planner<'_> {
    /// A problem at a place of the mapping; of the table where it has none of its own.
    fn wrong(&mut self, span: Option<Span>, message: String, help: Option<String>) {
        let span = span.or(self.ruled.then_some(self.rules.name));
        let mut problem = Diagnostic::nowhere(message);
        problem.place = self
            .text
            .zip(span)
            .map(|(text, span)| Place::span(text, span));
        problem.help = help;
        self.problems.push(problem);
    }

    fn table(&mut self, targets: &[Shape]) -> Option<TableMap> {
        let (source, rules) = (self.source, self.rules);
        let to = rules.to.as_ref();
        let name = to.map_or(&source.name, |word| &word.text);
        let Some(target) = targets.iter().find(|shape| shape.name == *name) else {
            let help = format!(
                "[{0}] to = \"…\" names another, [{0}] skip = \"why\" leaves it out",
                source.name
            );
            self.wrong(
                to.map(|word| word.span),
                format!("the keyspace has no table {name} for {}", source.name),
                Some(help),
            );
            return None;
        };
        let before = self.problems.len();
        self.unknown();
        let mut map = TableMap {
            source: source.clone(),
            target: target.clone(),
            moves: Vec::new(),
            constants: Vec::new(),
            dropped: Vec::new(),
            marker: rules.marker,
        };
        for (from, column) in source.columns.iter().enumerate() {
            if let Some((span, reason)) = rules.drop.get(&column.name) {
                match column.role.is_key() {
                    true => self.wrong(
                        Some(*span),
                        format!(
                            "{} is part of the key: rows that differ in it alone would become one",
                            self.called(column)
                        ),
                        None,
                    ),
                    false => map.dropped.push((column.name.clone(), reason.text.clone())),
                }
                continue;
            }
            if let Some(moved) = self.column(from, column, target) {
                let other = map.moves.iter().find(|other| other.to == moved.to);
                if let Some(other) = other.map(|other| &source.columns[other.from]) {
                    let message = format!(
                        "{} and {} both become {}.{}",
                        self.called(other),
                        self.called(column),
                        target.name,
                        target.columns[moved.to].name
                    );
                    let span = rules.rename.get(&column.name).map(|(span, _)| *span);
                    self.wrong(span, message, None);
                    continue;
                }
                map.moves.push(moved);
            }
        }
        self.constants(&mut map);
        if self.problems.len() == before {
            keys::check(self, &map);
        }
        (self.problems.len() == before).then_some(map)
    }

    /// `users.name`
    fn called(&self, column: &Column) -> String {
        format!("{}.{}", self.source.name, column.name)
    }

    /// Columns that the mapping names and the export has not.
    fn unknown(&mut self) {
        let rules = self.rules;
        let words = rules.rename.iter().chain(&rules.cast).chain(&rules.drop);
        for (name, (span, _)) in words {
            if self
                .source
                .columns
                .iter()
                .all(|column| column.name != *name)
            {
                let message = format!("{} of the export has no column {name}", self.source.name);
                self.wrong(Some(*span), message, None);
            }
        }
    }

    fn column(&mut self, from: usize, column: &Column, target: &Shape) -> Option<Move> {
        let rename = self.rules.rename.get(&column.name);
        let name = rename.map_or(&column.name, |(_, word)| &word.text);
        let span = rename.map(|(_, word)| word.span);
        let Some(to) = target.columns.iter().position(|other| other.name == *name) else {
            let help = match rename {
                Some(_) => None,
                None => Some(format!(
                    "in [{}]: rename = {{ {1} = \"…\" }}, or drop = {{ {1} = \"why\" }}",
                    self.source.name, column.name
                )),
            };
            let message = format!(
                "{} is neither mapped nor dropped: {} has no column {name}",
                self.called(column),
                target.name
            );
            self.wrong(span, message, help);
            return None;
        };
        let other = &target.columns[to];
        let fits = match (column.role, other.role) {
            (one, other) if one.is_key() || other.is_key() => one.is_key() == other.is_key(),
            (one, other) => one == other,
        };
        if !fits {
            let message = format!(
                "{} is {}, and {}.{name} is {}",
                self.called(column),
                words(column.role),
                target.name,
                words(other.role)
            );
            self.wrong(span, message, None);
            return None;
        }
        let cast = self.cast(column, other, &target.name)?;
        Some(Move { from, to, cast })
    }

    fn cast(&mut self, column: &Column, other: &Column, table: &str) -> Option<Cast> {
        let said = self.rules.cast.get(&column.name);
        let (from, to) = (column.kind.to_string(), other.kind.to_string());
        if let Some((_, word)) = said {
            let meant = parse(&word.text, self.types);
            if meant.as_ref().map(|(kind, _)| kind) != Ok(&other.kind) {
                let message = format!(
                    "{table}.{} is of the type {}, not {}",
                    other.name, other.text, word.text
                );
                self.wrong(Some(word.span), message, None);
                return None;
            }
        } else if from != to {
            let message = format!(
                "{} is {from}, and {table}.{} is {to}",
                self.called(column),
                other.name
            );
            let help = format!(
                "in [{}]: cast = {{ {} = \"{}\" }}",
                self.source.name, column.name, other.text
            );
            let possible = between(&column.kind, &other.kind);
            self.wrong(
                None,
                message,
                Some(possible.map_or_else(|why| why, |_| help)),
            );
            return None;
        }
        match between(&column.kind, &other.kind) {
            Ok(cast) => Some(cast),
            Err(why) => {
                let span = said.map(|(_, word)| word.span);
                let message = format!("{}: {why}", self.called(column));
                self.wrong(span, message, None);
                None
            }
        }
    }

    fn constants(&mut self, map: &mut TableMap) {
        for (name, (span, value)) in &self.rules.constant {
            let table = &map.target.name;
            let columns = &map.target.columns;
            let Some(to) = columns.iter().position(|column| column.name == *name) else {
                let message = format!("{table} has no column {name}");
                self.wrong(Some(*span), message, None);
                continue;
            };
            if map.moves.iter().any(|moved| moved.to == to) {
                let message = format!("{table}.{name} has the values of a column of the export");
                self.wrong(Some(*span), message, None);
                continue;
            }
            match constant(value, &columns[to].kind) {
                Ok(bytes) => map.constants.push((to, bytes)),
                Err(why) => self.wrong(Some(*span), format!("{table}.{name}: {why}"), None),
            }
        }
    }
}

fn words(role: Role) -> &'static str {
    match role {
        Role::Partition | Role::Clustering => "part of the key",
        Role::Static => "static",
        Role::Regular => "a regular column",
    }
}

impl TableMap {
    /// Whether keys are the same bytes on both sides and sort alike, so that both can be read side by side.
    pub fn keeps_keys(&self) -> bool {
        let keys = |shape: &Shape| {
            let keys = shape
                .columns
                .iter()
                .take_while(|column| column.role.is_key());
            keys.map(|column| column.role).collect::<Vec<_>>()
        };
        let (source, target) = (keys(&self.source), keys(&self.target));
        source == target
            && (0..source.len()).all(|at| {
                self.moves
                    .iter()
                    .any(|moved| moved.from == at && moved.to == at && moved.cast == Cast::Same)
            })
    }

    /// The type of a target's column.
    pub fn kind(&self, to: usize) -> &CqlType {
        &self.target.columns[to].kind
    }
}

#[cfg(test)]
mod tests;
