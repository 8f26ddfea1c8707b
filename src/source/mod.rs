//! Migration files as values. Pure but for [`load`], the only reader of the migrations folder.

pub mod load;
pub mod names;
pub mod order;
pub mod parse;
mod rules;

pub(crate) use rules::head;
pub use rules::own;

use crate::cql;
use crate::place::{Place, SourceFile, Span};
use crate::sql::{Statement, cut::Segment};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The language of the parts in use: `.sql` for Postgres, `.cql` for Cassandra.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Postgres.
    Postgres,
    /// Cassandra.
    Cassandra,
}

impl Dialect {
    /// Both.
    pub const ALL: [Dialect; 2] = [Dialect::Postgres, Dialect::Cassandra];

    /// The extension of its files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Dialect::Postgres => "sql",
            Dialect::Cassandra => "cql",
        }
    }
}

/// Identity of a migration: `subsystem/NNN`. Ordered by subsystem, then number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MigrationId {
    /// The subsystem, `core` where the files name none.
    pub subsystem: String,
    /// The number; 1 and 001 are the same.
    pub number: u64,
}

/// The six files that a migration may consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKind {
    /// Expand: non-destructive.
    Up,
    /// Data work after the expand, repeatable.
    Backfill,
    /// Contract: destructive.
    Finish,
    /// Takes back an up that is not finished.
    Undo,
    /// Asked before up; a row is a violation.
    Check,
    /// Asked before finish; a row is a violation.
    Ready,
}

impl PartKind {
    /// All of them, in the order of a migration's life.
    pub const ALL: [PartKind; 6] = [
        PartKind::Check,
        PartKind::Up,
        PartKind::Backfill,
        PartKind::Ready,
        PartKind::Finish,
        PartKind::Undo,
    ];

    /// The parts whose run is recorded and sealed by a checksum.
    pub const SEALED: [PartKind; 4] = [
        PartKind::Up,
        PartKind::Backfill,
        PartKind::Finish,
        PartKind::Undo,
    ];

    /// Its name, which is the file's stem.
    pub fn name(self) -> &'static str {
        match self {
            PartKind::Up => "up",
            PartKind::Backfill => "backfill",
            PartKind::Finish => "finish",
            PartKind::Undo => "undo",
            PartKind::Check => "check",
            PartKind::Ready => "ready",
        }
    }

    /// The part of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        PartKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One file of a migration, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which part it is.
    pub kind: PartKind,
    /// Path and text.
    pub file: SourceFile,
    /// `sha256:` and the digest of the text without BOM and with LF.
    pub checksum: String,
    /// The statements of a `.sql` file in order; none of a `.cql` file.
    pub statements: Vec<Statement>,
    /// The statements of a `.cql` file in order; none of a `.sql` file.
    pub cql: Vec<cql::Statement>,
    /// The transactions and bare statements that it consists of. CQL has no transactions.
    pub segments: Vec<Segment>,
}

/// One named change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Identity.
    pub id: MigrationId,
    /// `NNN_name` as the folder is called.
    pub name: String,
    /// The folder, or the refinery-style file, as it is shown.
    pub path: String,
    /// Its parts for the dialect in use.
    pub parts: BTreeMap<PartKind, Part>,
}

impl Part {
    /// How many statements it has, in whichever language.
    pub fn len(&self) -> usize {
        self.statements.len().max(self.cql.len())
    }

    /// Whether it has no statement.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a statement stands.
    pub fn span(&self, at: usize) -> Option<Span> {
        let sql = self.statements.get(at).map(|statement| statement.span);
        sql.or_else(|| self.cql.get(at).map(|statement| statement.span))
    }

    /// The text of a statement as it may be shown: of CQL without passwords.
    pub fn shown(&self, at: usize) -> Cow<'_, str> {
        let text = &self.file.text;
        match self.cql.get(at) {
            Some(statement) => cql::safe_text(text, statement),
            None => Cow::Borrowed(self.span(at).unwrap_or_default().of(text)),
        }
    }

    /// The place of a statement for an error, without passwords of CQL.
    pub fn place(&self, at: usize) -> Place {
        self.place_of(at, self.span(at).unwrap_or_default())
    }

    /// The place of some words of a statement, likewise.
    pub fn place_of(&self, at: usize, span: Span) -> Place {
        match self
            .cql
            .get(at)
            .map(|found| cql::blotted(&self.file.text, found))
        {
            Some(Cow::Owned(text)) => {
                let path = self.file.path.clone();
                Place::span(&SourceFile { path, text }, span)
            }
            _ => Place::span(&self.file, span),
        }
    }

    /// The checksum that seals this part once so many of its statements are done: of the whole text once all are.
    pub fn seal(&self, done: usize) -> String {
        if done >= self.len() {
            return self.checksum.clone();
        }
        self.begun(done)
    }

    /// The checksum of the text up to the last of so many statements, so that the rest of a part that failed may still
    /// be mended, or left out.
    pub fn begun(&self, done: usize) -> String {
        let last = done.min(self.len()).checked_sub(1);
        let end = last.map_or(0, |last| {
            let data = self.statements.get(last).and_then(|last| last.copy_data);
            data.or_else(|| self.span(last)).unwrap_or_default().end
        });
        checksum(&self.file.text[..end])
    }
}

impl Migration {
    /// The part of that kind.
    pub fn part(&self, kind: PartKind) -> Option<&Part> {
        self.parts.get(&kind)
    }

    /// Number of statements of a part; 0 where it is absent.
    pub fn statements(&self, kind: PartKind) -> usize {
        self.part(kind).map_or(0, Part::len)
    }

    /// `subsystem/NNN_name`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.id.subsystem, self.name)
    }
}

/// All migrations in walk order: subsystems by dependency, then name; inside by number. Identities are unique.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationSet {
    /// Subsystem names in walk order.
    pub subsystems: Vec<String>,
    /// The migrations in walk order.
    pub migrations: Vec<Migration>,
    /// What is odd but no error.
    pub warnings: Vec<String>,
}

impl MigrationSet {
    /// The migration of that identity.
    pub fn get(&self, id: &MigrationId) -> Option<&Migration> {
        self.migrations.iter().find(|migration| migration.id == *id)
    }

    /// The highest number of a subsystem, where it has any migration.
    pub fn highest(&self, subsystem: &str) -> Option<u64> {
        let numbers = self
            .migrations
            .iter()
            .filter(|migration| migration.id.subsystem == subsystem);
        numbers.map(|migration| migration.id.number).max()
    }
}

/// `sha256:` and the digest over the text, read as if each CRLF were LF. The text comes without BOM.
pub fn checksum(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut digest = Sha256::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("\r\n") {
        digest.update(&bytes[from..from + found]);
        from += found + 1;
    }
    digest.update(&bytes[from..]);
    let mut shown = String::from("sha256:");
    for byte in digest.finalize() {
        use fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_do_not_see_line_ends() {
        assert_eq!(checksum("a\r\nb\r\n"), checksum("a\nb\n"));
        assert_ne!(checksum("a\rb\n"), checksum("a\nb\n"));
        // The digest of "abc" as FIPS 180-2 gives it: the stored form never changes.
        assert_eq!(
            checksum("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
