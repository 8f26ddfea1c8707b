//! Objects of a database, as statements name them. Pure.

use super::Name;
use std::fmt;

/// Kinds of objects that have a name of their own in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A table, partitioned or foreign ones included.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// An index.
    Index,
    /// A type or a domain.
    Type,
    /// A function, procedure or aggregate, whatever its arguments; of Cassandra no aggregate.
    Function,
    /// An aggregate of Cassandra, where DROP FUNCTION takes none.
    Aggregate,
    /// A schema.
    Schema,
    /// An extension.
    Extension,
    /// A trigger, of a table.
    Trigger,
    /// A column, of a table.
    Column,
}

impl Kind {
    /// Whether both live in pg_class, where a name is taken once and ALTER TABLE also takes a view or an index.
    fn shares_names_with(self, other: Kind) -> bool {
        let relation = |kind| {
            matches!(
                kind,
                Kind::Table | Kind::View | Kind::MaterializedView | Kind::Sequence | Kind::Index
            )
        };
        self == other || (relation(self) && relation(other))
    }

    /// Whether DROP … CASCADE of that kind may take it along.
    pub fn depends_on(self, dropped: Kind) -> bool {
        match dropped {
            Kind::Type | Kind::Function | Kind::Schema | Kind::Extension => {
                !matches!(self, Kind::Table | Kind::Sequence | Kind::Schema)
            }
            _ => matches!(self, Kind::View | Kind::MaterializedView | Kind::Function),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::View => "view",
            Kind::MaterializedView => "materialized view",
            Kind::Sequence => "sequence",
            Kind::Index => "index",
            Kind::Type => "type",
            Kind::Function => "function",
            Kind::Aggregate => "aggregate",
            Kind::Schema => "schema",
            Kind::Extension => "extension",
            Kind::Trigger => "trigger",
            Kind::Column => "column",
        }
    }
}

/// An object by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name; of an index in the schema of its table.
    pub name: Name,
    /// The table that it goes with: of a column, a trigger, an index, an owned sequence, a partition.
    pub of: Option<Name>,
    /// What a function is called with, as it is written: each argument in small letters, without mode and default.
    pub arguments: Option<Vec<String>>,
}

impl Object {
    /// One that goes with no table.
    pub fn new(kind: Kind, name: Name) -> Self {
        Object {
            kind,
            name,
            of: None,
            arguments: None,
        }
    }

    /// A table.
    pub fn table(name: Name) -> Self {
        Object::new(Kind::Table, name)
    }

    /// One that goes with a table.
    pub fn of(kind: Kind, name: Name, table: &Name) -> Self {
        Object {
            of: Some(table.clone()),
            ..Object::new(kind, name)
        }
    }

    /// Whether both may be the same: a name without a schema may stand for one with any.
    pub fn matches(&self, other: &Object) -> bool {
        let tables = match (&self.of, &other.of) {
            (Some(a), Some(b)) if matches!(self.kind, Kind::Column | Kind::Trigger) => same(a, b),
            _ => true,
        };
        self.kind.shares_names_with(other.kind) && same(&self.name, &other.name) && tables
    }

    /// Whether the arguments that a statement names are those of this function: their types stand last, behind names that
    /// the statement may leave out.
    pub fn is_called_by(&self, named: &Object) -> bool {
        let (Some(own), Some(named)) = (&self.arguments, &named.arguments) else {
            return false;
        };
        let fits = |(own, named): (&String, &String)| {
            own.strip_suffix(named.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with(' '))
        };
        own.len() == named.len() && own.iter().zip(named).all(fits)
    }

    /// Whether it goes with this table.
    pub fn goes_with(&self, table: &Name) -> bool {
        self.of.as_ref().is_some_and(|of| same(of, table))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let qualified = |name: &Name| match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        write!(f, "{} {}", self.kind.word(), qualified(&self.name))?;
        match &self.of {
            Some(table) if matches!(self.kind, Kind::Column | Kind::Trigger) => {
                write!(f, " of {}", qualified(table))
            }
            _ => Ok(()),
        }
    }
}

/// Whether two names may be those of one object.
pub fn same(a: &Name, b: &Name) -> bool {
    let schemas = match (&a.schema, &b.schema) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    a.name == b.name && schemas
}
