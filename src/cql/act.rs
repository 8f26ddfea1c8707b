//! What statements do, as values.

use crate::place::Span;

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// CREATE of anything.
    Create(Box<Create>),
    /// ALTER of anything.
    Alter {
        /// What is changed.
        object: Object,
        /// IF EXISTS.
        guarded: bool,
        /// How.
        change: Change,
    },
    /// DROP of anything.
    Drop {
        /// What goes.
        object: Object,
        /// IF EXISTS.
        guarded: bool,
    },
    /// GRANT of permissions or of a role.
    Grant {
        /// The role that gets them.
        to: String,
    },
    /// REVOKE of permissions or of a role.
    Revoke {
        /// The role that loses them.
        from: String,
    },
    /// LIST ROLES, USERS or permissions.
    List,
    /// SELECT.
    Select {
        /// The table or view that is read.
        table: Name,
    },
    /// INSERT, UPDATE or DELETE.
    Write(Write),
    /// BEGIN … BATCH … APPLY BATCH.
    Batch(Batch),
    /// TRUNCATE.
    Truncate {
        /// The table.
        table: Name,
    },
    /// USE.
    Use {
        /// The keyspace.
        keyspace: String,
    },
    /// Everything else, and whatever deviates from the grammar that kmig knows.
    Other,
}

/// A name that may be qualified, unquoted and folded as the server does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Keyspace, where it was written.
    pub keyspace: Option<String>,
    /// The object's own name.
    pub name: String,
}

/// Something that the schema has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A keyspace.
    Keyspace(String),
    /// A table.
    Table(Name),
    /// A user-defined type.
    Type(Name),
    /// A secondary index, CUSTOM ones too. Its keyspace is that of its table.
    Index {
        /// Its name. Where CREATE INDEX gives none, the one that the server makes, `table_column_idx`, which gets a
        /// number where it is taken.
        name: Name,
        /// Whether the server makes the name.
        unnamed: bool,
        /// The table; DROP INDEX does not say.
        table: Option<Name>,
    },
    /// A materialized view.
    View(Name),
    /// A function; `arguments` are the types, absent where DROP gives none.
    Function {
        /// Its name.
        name: Name,
        /// Types of its arguments, as [`Column::kind`] has them.
        arguments: Option<Vec<String>>,
    },
    /// An aggregate, likewise.
    Aggregate {
        /// Its name.
        name: Name,
        /// Types of its arguments.
        arguments: Option<Vec<String>>,
    },
    /// A trigger.
    Trigger {
        /// Its name.
        name: String,
        /// Its table.
        table: Name,
    },
    /// A role, users too.
    Role(String),
}

/// A CREATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// What is made.
    pub object: Object,
    /// IF NOT EXISTS.
    pub guarded: bool,
    /// OR REPLACE.
    pub replaces: bool,
    /// The columns of a table, the fields of a type.
    pub columns: Vec<Column>,
    /// The primary key of a table or view.
    pub key: Key,
    /// The names of what stands behind WITH; `compact storage` and `clustering order` for those two.
    pub options: Vec<String>,
    /// The id of `WITH id = …`.
    pub id: Option<String>,
    /// Where an id may be put into the text of a table or view that has none.
    pub id_place: Option<IdPlace>,
    /// The table that a view shows.
    pub base: Option<Name>,
    /// What an index is on; several or none for some custom ones.
    pub targets: Vec<Target>,
    /// The class of a custom index or a trigger, as it is written.
    pub class: Option<String>,
    /// The body of a function.
    pub body: Option<String>,
}

/// Where `id = …` is to stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPlace {
    /// The byte behind which it stands, from the start of the text.
    pub at: usize,
    /// Whether this is behind WITH, with other options to follow.
    pub behind_with: bool,
}

/// What an index is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `keys`, `values`, `entries` or `full`, where the statement says so.
    pub of: Option<&'static str>,
    /// The column.
    pub column: String,
}

/// A column of a table, or a field of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type without blanks, in small letters but for quoted names, `text` for varchar.
    pub kind: String,
    /// STATIC.
    pub is_static: bool,
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// The columns of the partition key.
    pub partition: Vec<String>,
    /// The clustering columns.
    pub clustering: Vec<String>,
}

/// What an ALTER changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// ADD of columns or of a field.
    Add {
        /// They.
        columns: Vec<Column>,
        /// IF NOT EXISTS.
        guarded: bool,
    },
    /// DROP of columns.
    Drop {
        /// Their names.
        columns: Vec<String>,
        /// IF EXISTS.
        guarded: bool,
        /// USING TIMESTAMP.
        timestamp: bool,
    },
    /// RENAME of key columns or fields, each from and to.
    Rename {
        /// Old and new names.
        names: Vec<(String, String)>,
        /// IF EXISTS.
        guarded: bool,
    },
    /// ALTER … TYPE, which current servers refuse.
    Retype {
        /// The column or field.
        column: String,
    },
    /// ALTER … MASKED or DROP MASKED.
    Mask {
        /// The column.
        column: String,
    },
    /// DROP COMPACT STORAGE.
    Compact,
    /// WITH, by the names of what it sets; none for roles.
    Options(Vec<String>),
}

/// An INSERT, UPDATE or DELETE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which of them.
    pub verb: WriteVerb,
    /// The table.
    pub table: Name,
    /// From its first word to its last.
    pub span: Span,
    /// Values and elements that an INSERT or UPDATE takes away, as DELETE would: null, an empty collection, `-` of
    /// elements, JSON that leaves columns out.
    pub removes: Vec<Span>,
    /// IF …: a lightweight transaction.
    pub conditional: bool,
    /// USING TIMESTAMP.
    pub timestamp: bool,
    /// USING TTL: a repeat would expire later.
    pub ttl: bool,
    /// The columns that it adds to or takes from, where a repeat would do so once more: counters, and lists by `+`.
    pub accumulates: Vec<String>,
    /// Why a repeat with the same time would not write the same, in order of place.
    pub unrepeatable: Vec<Unrepeatable>,
}

/// Which writing statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteVerb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// What makes a write come out differently the second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrepeatable {
    /// One line that says so, no full stop.
    pub why: String,
    /// The bytes in question.
    pub span: Span,
}

/// A BATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which kind.
    pub kind: BatchKind,
    /// USING TIMESTAMP on the batch itself.
    pub timestamp: bool,
    /// USING TTL on the batch itself.
    pub ttl: bool,
    /// What it holds.
    pub writes: Vec<Write>,
}

/// Kinds of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// BEGIN BATCH.
    Logged,
    /// BEGIN UNLOGGED BATCH.
    Unlogged,
    /// BEGIN COUNTER BATCH.
    Counter,
}

impl Act {
    /// The writes of a DML statement; none for any other.
    pub fn writes(&self) -> &[Write] {
        match self {
            Act::Write(write) => std::slice::from_ref(write),
            Act::Batch(batch) => &batch.writes,
            _ => &[],
        }
    }

    /// Whether it is a lightweight transaction.
    pub fn conditional(&self) -> bool {
        self.writes().iter().any(|write| write.conditional)
    }

    /// Whether it says itself at what time it writes.
    pub fn timed(&self) -> bool {
        let own = matches!(self, Act::Batch(batch) if batch.timestamp);
        own || self.writes().iter().any(|write| write.timestamp)
    }
}
