//! What a safety rule is, as data: its name, what it saves from, what to write instead, and an example that a server can
//! be asked about. One table of them per dialect.

use super::{cql, sql};
use crate::near::nearest;
use crate::source::{Dialect, PartKind};

/// One safety rule. Documentation, `kmig check --explain`, the judge and the tests on real servers read this one value.
#[derive(Debug)]
pub struct Rule {
    /// Its name, in small letters and hyphens, as `-- kmig:allow` takes it.
    pub name: &'static str,
    /// The language that it is about.
    pub dialect: Dialect,
    /// What it saves from.
    pub harm: Harm,
    /// Why, in whole sentences.
    pub why: &'static str,
    /// The safe form, in whole sentences.
    pub instead: &'static str,
    /// Where such a statement may go.
    pub goes: Goes,
    /// Statements that trip it, with what passes instead. Every rule has one.
    pub examples: &'static [Example],
}

/// What a rule saves from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Data or objects are gone.
    Destructive,
    /// The old version of the application fails, or means something else.
    Breaks,
    /// A lock, a scan or a rewrite that the application's traffic waits for.
    Lock,
    /// kmig cannot see what it does, so it is not called safe.
    NotUnderstood,
    /// It does not belong into a migration at all.
    NotForMigration,
}

impl Harm {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Harm; 5] = [
        Harm::Destructive,
        Harm::Breaks,
        Harm::Lock,
        Harm::NotUnderstood,
        Harm::NotForMigration,
    ];

    /// The word for it in JSON documents.
    pub fn word(self) -> &'static str {
        match self {
            Harm::Destructive => "destructive",
            Harm::Breaks => "breaks-old-version",
            Harm::Lock => "lock",
            Harm::NotUnderstood => "not-understood",
            Harm::NotForMigration => "not-for-migrations",
        }
    }

    /// The words for it in front of people.
    pub fn words(self) -> &'static str {
        match self {
            Harm::Destructive => "destructive",
            Harm::Breaks => "breaks the old version",
            Harm::Lock => "a lock that traffic waits for",
            Harm::NotUnderstood => "not understood, so not called safe",
            Harm::NotForMigration => "not for a migration",
        }
    }
}

/// Where a statement that trips a rule may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// Into the finish part, which runs once the old version is gone.
    Finish,
    /// Into the up part, in its safe form.
    Up,
    /// Into an up part of its own migration, and so a transaction of its own.
    OwnMigration,
    /// Into the backfill part.
    Backfill,
    /// Where it is, once an allowance says why it is fine.
    Declared,
    /// Into no migration.
    Nowhere,
}

impl Goes {
    /// As a person is told.
    pub fn words(self) -> &'static str {
        match self {
            Goes::Finish => "into the finish part",
            Goes::Up => "into the up part, in its safe form",
            Goes::OwnMigration => "into an up part of a migration of its own",
            Goes::Backfill => "into the backfill part",
            Goes::Declared => "into the up part, with an allowance that says why it is fine",
            Goes::Nowhere => "into no migration",
        }
    }
}

/// A statement that trips a rule, and what passes instead.
#[derive(Debug)]
pub struct Example {
    /// The first major version of the server that knows the statement; 0 for all.
    pub since: u32,
    /// The last major version of which `seen` holds; 0 for all.
    pub until: u32,
    /// What an older batch made, and what it filled: whole statements.
    pub setup: &'static str,
    /// The part that trips the rule.
    pub part: PartKind,
    /// The text of that part. Its last statement trips the rule.
    pub trips: &'static str,
    /// Parts that pass instead, each a migration of its own after `setup`, in order. Empty where there is no safe form.
    pub instead: &'static [(PartKind, &'static str)],
    /// What a server shows while the last statement of `trips` is done. Absent where there is nothing to see.
    pub seen: Option<Seen>,
}

impl Example {
    /// An up part that trips the rule, after a set-up.
    pub const fn up(setup: &'static str, trips: &'static str) -> Self {
        Example {
            since: 0,
            until: 0,
            setup,
            part: PartKind::Up,
            trips,
            instead: &[],
            seen: None,
        }
    }

    /// The same, with what passes instead.
    pub const fn instead(mut self, parts: &'static [(PartKind, &'static str)]) -> Self {
        self.instead = parts;
        self
    }

    /// The same, with the locks that it holds and nothing read or rewritten.
    pub const fn locks(mut self, locks: &'static [(&'static str, Lock)]) -> Self {
        self.seen = Some(Seen {
            locks,
            scans: &[],
            rewrites: &[],
        });
        self
    }

    /// The same; these relations of `locks` are read to the end.
    pub const fn scans(mut self, relations: &'static [&'static str]) -> Self {
        if let Some(seen) = &mut self.seen {
            seen.scans = relations;
        }
        self
    }

    /// The same; these relations of `locks` get a new file.
    pub const fn rewrites(mut self, relations: &'static [&'static str]) -> Self {
        if let Some(seen) = &mut self.seen {
            seen.rewrites = relations;
        }
        self
    }

    /// The same, in a part of another kind.
    pub const fn part(mut self, part: PartKind) -> Self {
        self.part = part;
        self
    }

    /// The same, of servers of this major version and later.
    pub const fn since(mut self, version: u32) -> Self {
        self.since = version;
        self
    }

    /// The same, of servers up to this major version.
    pub const fn until(mut self, version: u32) -> Self {
        self.until = version;
        self
    }

    /// Whether it is for servers of this major version.
    pub const fn fits(&self, version: u32) -> bool {
        version >= self.since && (self.until == 0 || version <= self.until)
    }
}

/// What can be observed of a statement in its transaction, before the commit.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The strongest lock that it holds on each of these relations of `setup`.
    pub locks: &'static [(&'static str, Lock)],
    /// Relations that it reads to the end under that lock.
    pub scans: &'static [&'static str],
    /// Relations that get a new file.
    pub rewrites: &'static [&'static str],
}

/// The lock modes of tables, as pg_locks calls them, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// Reading.
    AccessShare,
    /// SELECT … FOR UPDATE.
    RowShare,
    /// Writing.
    RowExclusive,
    /// Blocks neither reading nor writing: CREATE INDEX CONCURRENTLY, VALIDATE.
    ShareUpdateExclusive,
    /// Blocks writing: CREATE INDEX.
    Share,
    /// Blocks writing: foreign keys, CREATE TRIGGER.
    ShareRowExclusive,
    /// Blocks writing: REFRESH … CONCURRENTLY.
    Exclusive,
    /// Blocks reading and writing.
    AccessExclusive,
}

impl Lock {
    /// The mode as pg_locks spells it.
    pub fn mode(self) -> &'static str {
        match self {
            Lock::AccessShare => "AccessShareLock",
            Lock::RowShare => "RowShareLock",
            Lock::RowExclusive => "RowExclusiveLock",
            Lock::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Lock::Share => "ShareLock",
            Lock::ShareRowExclusive => "ShareRowExclusiveLock",
            Lock::Exclusive => "ExclusiveLock",
            Lock::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// What it does to others.
    pub fn words(self) -> &'static str {
        match self {
            Lock::AccessShare | Lock::RowShare | Lock::RowExclusive => {
                "blocks neither reading nor writing"
            }
            Lock::ShareUpdateExclusive => "blocks other schema changes",
            Lock::Share | Lock::ShareRowExclusive | Lock::Exclusive => "blocks writing",
            Lock::AccessExclusive => "blocks reading and writing",
        }
    }
}

/// Writes rules as items of a file, so that a misspelt one does not compile, and their list `RULES` in order.
macro_rules! table {
    ($dialect:expr; $($item:ident = $name:literal, $harm:ident, $goes:ident, $why:literal, $instead:literal, [$($example:expr),* $(,)?];)*) => {
        $(
            pub(in crate::safety) static $item: Rule = Rule {
                name: $name,
                dialect: $dialect,
                harm: Harm::$harm,
                why: $why,
                instead: $instead,
                goes: Goes::$goes,
                examples: &[$($example),*],
            };
        )*
        /// The rules of this file, in the order in which they are listed.
        pub static RULES: &[&Rule] = &[$(&$item),*];
    };
}
pub(in crate::safety) use table;

/// The rules of a language, in the order in which they are listed.
pub fn rules(dialect: Dialect) -> impl Iterator<Item = &'static Rule> {
    let files = match dialect {
        Dialect::Postgres => sql::TABLE,
        Dialect::Cassandra => cql::TABLE,
    };
    files.iter().flat_map(|rules| rules.iter().copied())
}

/// The rule of that name.
pub fn find(dialect: Dialect, name: &str) -> Option<&'static Rule> {
    rules(dialect).find(|rule| rule.name == name)
}

/// The rule whose name is near to one that there is not.
pub fn near(dialect: Dialect, name: &str) -> Option<&'static str> {
    nearest(name, rules(dialect).map(|rule| rule.name))
}
