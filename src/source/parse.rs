//! What was read, made into a [`MigrationSet`], or every problem of every file at once. Pure.

use super::load::{Content, Entry, Folder};
use super::{
    Dialect, Migration, MigrationId, MigrationSet, Part, PartKind, checksum, names, order, rules,
};
use crate::cql;
use crate::error::Diagnostic;
use crate::place::{Place, Problem, SourceFile, Span};
use crate::sql::{self, Segment};
use std::collections::BTreeMap;

/// Makes the set of all migrations below `root`. `depends_on` are the `[subsystem.x]` tables of kmig.toml.
///
/// # Errors
/// All problems of all files.
pub fn set(
    root: Folder,
    depends_on: &BTreeMap<String, Vec<String>>,
    dialect: Dialect,
) -> Result<MigrationSet, Vec<Diagnostic>> {
    let mut reader = Reader {
        dialect,
        subsystems: BTreeMap::new(),
        diagnostics: Vec::new(),
    };
    reader.root(root);
    let Reader {
        subsystems,
        mut diagnostics,
        ..
    } = reader;
    let (subsystem_order, mut warnings) = ordered(&subsystems, depends_on, &mut diagnostics);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let mut by_name = subsystems;
    let mut migrations = Vec::new();
    for subsystem in &subsystem_order {
        migrations.extend(by_name.remove(subsystem).unwrap_or_default().into_values());
    }
    warnings.extend(migrations.iter().filter_map(silent));
    Ok(MigrationSet {
        subsystems: subsystem_order,
        migrations,
        warnings,
    })
}

/// A migration whose files hold no statement at all is most likely not written yet; once it has run it is sealed.
fn silent(migration: &Migration) -> Option<String> {
    let mut parts = migration.parts.values();
    let silent = parts.len() > 0 && parts.all(Part::is_empty);
    silent.then(|| format!("{} has no statement in any part", migration.path))
}

struct Reader {
    dialect: Dialect,
    subsystems: BTreeMap<String, BTreeMap<u64, Migration>>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn root(&mut self, root: Folder) {
        for entry in root.entries {
            match entry.content {
                Content::Folder(folder) if names::is_migration(&entry.name) => {
                    self.migration(names::DEFAULT_SUBSYSTEM, &entry.name, folder);
                }
                Content::Folder(folder) => match names::subsystem(&entry.name) {
                    Ok(()) => self.subsystem(&entry.name, folder),
                    Err(why) => self.wrong(&entry.path, "this folder's name is unknown", why),
                },
                _ => self.refinery(names::DEFAULT_SUBSYSTEM, entry),
            }
        }
    }

    fn subsystem(&mut self, subsystem: &str, folder: Folder) {
        self.subsystems.entry(subsystem.to_string()).or_default();
        for entry in folder.entries {
            match entry.content {
                Content::Folder(folder) => self.migration(subsystem, &entry.name, folder),
                _ => self.refinery(subsystem, entry),
            }
        }
    }

    fn migration(&mut self, subsystem: &str, name: &str, folder: Folder) {
        let number = match names::migration(name) {
            Ok(number) => number,
            Err(why) => return self.wrong(&folder.path, "this folder's name is unknown", why),
        };
        let mut parts = BTreeMap::new();
        for entry in folder.entries {
            let Some((kind, extension)) = names::part(&entry.name) else {
                let known: Vec<_> = PartKind::ALL.map(PartKind::name).into();
                let help = format!(
                    "a migration consists of {}, each .sql or .cql",
                    known.join(", ")
                );
                self.wrong(&entry.path, "unknown part", help);
                continue;
            };
            if let (Content::Other, true) = (&entry.content, extension != self.dialect.extension())
            {
                continue;
            }
            if let Some(part) = self.part(kind, entry) {
                parts.insert(kind, part);
            }
        }
        let id = MigrationId {
            subsystem: subsystem.to_string(),
            number,
        };
        self.add(Migration {
            id,
            name: name.to_string(),
            path: folder.path,
            parts,
        });
    }

    /// A file beside the folders: `V1__init.sql`, named by refinery's own rules, is a migration with an up part only.
    fn refinery(&mut self, subsystem: &str, entry: Entry) {
        let stem_of = |dialect: Dialect| {
            let extension = format!(".{}", dialect.extension());
            entry.name.strip_suffix(extension.as_str())
        };
        let extension = self.dialect.extension();
        let named = stem_of(self.dialect).and_then(refinery_name);
        let Some((number, stem)) = named else {
            if let Content::Unreadable(why) = &entry.content {
                return self.wrong(&entry.path, format!("cannot be read: {why}"), "");
            }
            // What is for the other engine has nothing to do here.
            let mut stems = Dialect::ALL.into_iter().filter_map(stem_of);
            if matches!(&entry.content, Content::Other)
                && stems.any(|stem| refinery_name(stem).is_some())
            {
                return;
            }
            let of_dialect = stem_of(self.dialect).is_some();
            let help = match of_dialect || !matches!(&entry.content, Content::Other) {
                true => format!(
                    "a migration is a folder NNN_name with an up.{extension}, or a file V1__name.{extension} whose name has only letters, digits and _"
                ),
                false => format!("migrations are folders NNN_name, or files V1__name.{extension}"),
            };
            return self.wrong(&entry.path, "unknown file", help);
        };
        let name = stem
            .split_once("__")
            .map_or(stem, |(_, name)| name)
            .to_string();
        let path = entry.path.clone();
        let mut parts = BTreeMap::new();
        if let Some(part) = self.part(PartKind::Up, entry) {
            parts.insert(PartKind::Up, part);
        }
        let id = MigrationId {
            subsystem: subsystem.to_string(),
            number,
        };
        self.add(Migration {
            id,
            name: format!("{number}_{name}"),
            path,
            parts,
        });
    }

    fn add(&mut self, migration: Migration) {
        let MigrationId { subsystem, number } = &migration.id;
        let number = *number;
        let numbers = self.subsystems.entry(subsystem.clone()).or_default();
        if let Some(first) = numbers.get(&number) {
            let message = format!(
                "two migrations of {subsystem} have the number {number}: this one and {}",
                first.path
            );
            self.wrong(&migration.path, message, "give one of them the next number");
        } else {
            numbers.insert(number, migration);
        }
    }

    fn part(&mut self, kind: PartKind, entry: Entry) -> Option<Part> {
        let bytes = match entry.content {
            Content::Text(bytes) => bytes,
            Content::Folder(_) => {
                self.wrong(&entry.path, "this is a folder", format!("{kind} is a file"));
                return None;
            }
            Content::Unreadable(why) => {
                self.wrong(&entry.path, format!("cannot be read: {why}"), "");
                return None;
            }
            Content::Other => return None,
        };
        let text = match decode(bytes) {
            Ok(text) => text,
            Err(undecoded) => {
                self.diagnostics
                    .push(undecoded.at(entry.path).help("save the file as UTF-8"));
                return None;
            }
        };
        let file = SourceFile {
            path: entry.path,
            text,
        };
        let (part, problems) = parsed(kind, file, self.dialect);
        for problem in problems {
            let place = Place::span(&part.file, problem.span);
            self.diagnostics.push(Diagnostic {
                help: problem.help,
                ..Diagnostic::at(place, problem.message)
            });
        }
        Some(part)
    }

    fn wrong(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        self.diagnostics.push(Diagnostic {
            help,
            ..Diagnostic::file(path, message)
        });
    }
}

/// The number and the whole stem of a file that refinery's own rules name, `V1__init`.
fn refinery_name(stem: &str) -> Option<(u64, &str)> {
    // refinery-core 0.10 panics on a name that begins with '|'; its prefixes are V and U. Its pattern for folders ends
    // with the name, the one for a migration does not: without a look at the whole name a file would be taken here
    // that refinery passes over.
    let name = stem.split_once("__").map_or("", |(_, name)| name);
    let whole = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !stem.starts_with(['V', 'U']) || !whole {
        return None;
    }
    let found = refinery_core::Migration::unapplied(stem, "").ok()?;
    Some((u64::try_from(found.version()).ok()?, stem))
}

/// A file's text in its language. What a part may hold is asked only where the text itself is in order.
fn parsed(kind: PartKind, file: SourceFile, dialect: Dialect) -> (Part, Vec<Problem>) {
    let mut part = Part {
        kind,
        checksum: checksum(&file.text),
        statements: Vec::new(),
        cql: Vec::new(),
        segments: Vec::new(),
        file,
    };
    let text = &part.file.text;
    let (mut problems, rules) = match dialect {
        Dialect::Postgres => {
            let script = sql::split(text);
            part.segments = sql::segments(&script.statements);
            part.statements = script.statements;
            (
                script.problems,
                rules::sql::rules(kind, text, &part.statements),
            )
        }
        Dialect::Cassandra => {
            let script = cql::split(text);
            part.segments = (0..script.statements.len()).map(Segment::Bare).collect();
            part.cql = script.statements;
            (script.problems, rules::cql::rules(kind, text, &part.cql))
        }
    };
    if problems.is_empty() {
        problems = rules;
    }
    (part, problems)
}

/// Bytes that are no UTF-8.
enum Undecoded {
    /// The whole file has another encoding.
    Whole(&'static str),
    /// All before this offset is fine. The text has a replacement character there.
    Byte { text: String, at: usize, byte: u8 },
}

impl Undecoded {
    fn at(self, path: String) -> Diagnostic {
        match self {
            Undecoded::Whole(what) => Diagnostic::file(path, what),
            Undecoded::Byte { text, at, byte } => {
                let span = Span::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
                Diagnostic::at(
                    Place::span(&SourceFile { path, text }, span),
                    format!("this file is not UTF-8: the byte 0x{byte:02X} (is it Latin-1?)"),
                )
            }
        }
    }
}

/// UTF-8 with or without a byte order mark; anything else is told by what it looks like.
fn decode(mut bytes: Vec<u8>) -> Result<String, Undecoded> {
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Undecoded::Whole("this file is UTF-16"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        Undecoded::Byte {
            text: String::from_utf8_lossy(bytes).into_owned(),
            at,
            byte: bytes[at],
        }
    })
}

fn ordered(
    subsystems: &BTreeMap<String, BTreeMap<u64, Migration>>,
    depends_on: &BTreeMap<String, Vec<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<String>, Vec<String>) {
    let mut edges: BTreeMap<String, Vec<String>> = subsystems
        .keys()
        .map(|name| (name.clone(), Vec::new()))
        .collect();
    let mut warnings = Vec::new();
    for (name, needs) in depends_on {
        if !edges.contains_key(name) {
            warnings.push(format!(
                "kmig.toml has [subsystem.{name}], but there is no folder of that name"
            ));
            continue;
        }
        for needed in needs {
            if !edges.contains_key(needed) {
                diagnostics.push(Diagnostic::file(
                    "kmig.toml",
                    format!("[subsystem.{name}] depends_on {needed:?}, but there is no folder of that name"),
                ));
            }
        }
        let known: Vec<String> = needs
            .iter()
            .filter(|needed| subsystems.contains_key(*needed))
            .cloned()
            .collect();
        edges.insert(name.clone(), known);
    }
    match order::walk(&edges) {
        Ok(sorted) => (sorted, warnings),
        Err(cycle) => {
            let mut ring = cycle.clone();
            ring.extend(cycle.into_iter().take(1));
            diagnostics.push(
                Diagnostic::file(
                    "kmig.toml",
                    format!(
                        "the subsystems depend on each other in a circle: {}",
                        ring.join(" -> ")
                    ),
                )
                .help("one depends_on of the circle has to go"),
            );
            (Vec::new(), warnings)
        }
    }
}
