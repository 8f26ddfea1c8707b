//! What a statement makes, drops, renames or moves by name: what a database must have once it ran. Pure.
//!
//! Only what the text names is told. What a DO block, a function or an implicit rule of the server makes stays unknown,
//! and so nobody asks for it.

use super::Name;
use super::head::Head;
use super::lexer::Kind as Token;
use crate::place::Span;
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
    /// A function, procedure or aggregate, whatever its arguments.
    Function,
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
}

impl Object {
    fn new(kind: Kind, name: Name) -> Self {
        Object {
            kind,
            name,
            of: None,
        }
    }

    fn of(kind: Kind, name: Name, table: &Name) -> Self {
        Object {
            kind,
            name,
            of: Some(table.clone()),
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

/// One effect of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is there afterwards.
    Makes(Object),
    /// It is gone afterwards; with CASCADE whatever depended on it, too.
    Drops(Object, bool),
    /// It is called otherwise.
    Renames(Object, String),
    /// It is in another schema.
    Moves(Object, String),
    /// It goes with a table from now on: a sequence by the column that owns it, a partition by its parent.
    Owns(Object, Name),
}

/// What the statement at `span` does to objects that it names, in order.
pub fn effects(text: &str, span: Span) -> Vec<Effect> {
    let first = Head::new(text, span);
    if !first.is_any(0, &["CREATE", "ALTER", "DROP"]) {
        return Vec::new();
    }
    let head = Head::whole(text, span);
    match head.word(0).to_ascii_uppercase().as_str() {
        "CREATE" => create(&head),
        "ALTER" => alter(&head),
        _ => drop(&head),
    }
    // A name that cannot be read is one that nobody is asked for.
    .unwrap_or_default()
}

/// The kind that keywords name, and the index behind them.
fn kind(head: &Head, at: usize) -> Option<(Kind, usize)> {
    let kind = match head.word(at).to_ascii_uppercase().as_str() {
        "FOREIGN" if head.is(at + 1, "TABLE") => return Some((Kind::Table, at + 2)),
        "MATERIALIZED" if head.is(at + 1, "VIEW") => return Some((Kind::MaterializedView, at + 2)),
        "TABLE" => Kind::Table,
        "VIEW" => Kind::View,
        "SEQUENCE" => Kind::Sequence,
        "INDEX" => Kind::Index,
        "TYPE" | "DOMAIN" => Kind::Type,
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" | "ROUTINE" => Kind::Function,
        "SCHEMA" => Kind::Schema,
        "EXTENSION" => Kind::Extension,
        "TRIGGER" => Kind::Trigger,
        _ => return None,
    };
    Some((kind, at + 1))
}

fn create(head: &Head) -> Option<Vec<Effect>> {
    let mut at = head.behind(1, &["OR", "REPLACE"]);
    while head.is_any(
        at,
        &[
            "GLOBAL",
            "LOCAL",
            "UNLOGGED",
            "UNIQUE",
            "RECURSIVE",
            "CONSTRAINT",
        ],
    ) {
        at += 1;
    }
    // What is temporary is gone with its session.
    if head.is_any(at, &["TEMP", "TEMPORARY"]) {
        return None;
    }
    let (kind, at) = kind(head, at)?;
    let at = head.behind(at, &["CONCURRENTLY"]);
    let at = head.behind(at, &["IF", "NOT", "EXISTS"]);
    let unnamed = match kind {
        Kind::Schema => head.is(at, "AUTHORIZATION"),
        Kind::Index => head.is(at, "ON"),
        _ => false,
    };
    if unnamed {
        return None;
    }
    let (name, behind) = head.name(at)?;
    let object = match kind {
        Kind::Index => {
            let on = head.behind(head.behind(behind, &["ON"]), &["ONLY"]);
            let (table, _) = head.name(on)?;
            let schema = table.schema.clone();
            Object::of(kind, Name { schema, ..name }, &table)
        }
        Kind::Trigger => {
            let (table, _) = head.name(head.find("ON")? + 1)?;
            Object::of(kind, name, &table)
        }
        _ => Object::new(kind, name),
    };
    let mut effects = vec![Effect::Makes(object.clone())];
    match kind {
        Kind::Table => {
            let columns = columns(head, behind);
            let columns = columns
                .into_iter()
                .map(|name| Effect::Makes(Object::of(Kind::Column, name, &object.name)));
            effects.extend(columns);
            if head.has(behind, &["PARTITION", "OF"]) {
                let (parent, _) = head.name(behind + 2)?;
                effects.push(Effect::Owns(object, parent));
            }
        }
        Kind::Sequence => effects.extend(owned(head, object)),
        _ => {}
    }
    Some(effects)
}

/// What stands in a table's list instead of a column.
const NO_COLUMN: [&str; 7] = [
    "CONSTRAINT",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "FOREIGN",
    "EXCLUDE",
    "LIKE",
];

/// The columns in the parentheses that open at `at`; none where these hold options of a type's or a parent's columns.
fn columns(head: &Head, at: usize) -> Vec<Name> {
    if head.kind(at) != Some(Token::Open) {
        return Vec::new();
    }
    let end = head.behind_parentheses(at);
    let mut found = Vec::new();
    for item in items(head, at + 1, end.saturating_sub(1)) {
        if !head.is_any(item, &NO_COLUMN)
            && let Some((name, _)) = head.name(item)
        {
            found.push(name);
        }
    }
    found
}

/// Where each item of a list with commas begins.
fn items(head: &Head, from: usize, to: usize) -> Vec<usize> {
    let mut found = vec![from];
    let mut depth = 0_usize;
    for at in from..to {
        match head.kind(at) {
            Some(Token::Open) => depth += 1,
            Some(Token::Close) => depth = depth.saturating_sub(1),
            _ if depth == 0 && head.text(at) == "," => found.push(at + 1),
            _ => {}
        }
    }
    found
}

/// `OWNED BY table.column` of a sequence. The table's own schema is not kept.
fn owned(head: &Head, sequence: Object) -> Option<Effect> {
    let at = head.find("OWNED")?;
    let (column, _) = head.name(head.behind(at, &["OWNED", "BY"]))?;
    let table = Name {
        schema: None,
        name: column.schema?,
    };
    Some(Effect::Owns(sequence, table))
}

fn drop(head: &Head) -> Option<Vec<Effect>> {
    let (kind, at) = kind(head, 1)?;
    let at = head.behind(at, &["CONCURRENTLY"]);
    let mut at = head.behind(at, &["IF", "EXISTS"]);
    let cascade = head.is(head.len() - 1, "CASCADE");
    let mut effects = Vec::new();
    loop {
        let (name, behind) = head.name(at)?;
        if kind == Kind::Trigger {
            let (table, _) = head.name(head.behind(behind, &["ON"]))?;
            return Some(vec![Effect::Drops(Object::of(kind, name, &table), cascade)]);
        }
        effects.push(Effect::Drops(Object::new(kind, name), cascade));
        let behind = head.behind_parentheses(behind);
        if head.text(behind) != "," {
            return Some(effects);
        }
        at = behind + 1;
    }
}

fn alter(head: &Head) -> Option<Vec<Effect>> {
    let (kind, at) = kind(head, 1)?;
    let at = head.behind(head.behind(at, &["IF", "EXISTS"]), &["ONLY"]);
    let (name, behind) = head.name(at)?;
    let mut at = head.behind_parentheses(behind);
    if head.text(at) == "*" {
        at += 1;
    }
    let mut object = Object::new(kind, name);
    if kind == Kind::Trigger {
        let (table, behind) = head.name(head.behind(at, &["ON"]))?;
        object.of = Some(table);
        at = behind;
    }
    if head.has(at, &["RENAME", "TO"]) {
        let (to, _) = head.name(at + 2)?;
        return Some(vec![Effect::Renames(object, to.name)]);
    }
    if head.has(at, &["SET", "SCHEMA"]) {
        let (to, _) = head.name(at + 2)?;
        return Some(vec![Effect::Moves(object, to.name)]);
    }
    match kind {
        Kind::Table => {
            let table = object.name;
            let actions = items(head, at, head.len());
            Some(
                actions
                    .into_iter()
                    .filter_map(|at| action(head, at, &table))
                    .collect(),
            )
        }
        Kind::Sequence => owned(head, object).map(|effect| vec![effect]),
        _ => None,
    }
}

/// One action of ALTER TABLE.
fn action(head: &Head, at: usize, table: &Name) -> Option<Effect> {
    let column = |name| Object::of(Kind::Column, name, table);
    // The index of a constraint is called as the constraint.
    let index = |name: Name| {
        let schema = table.schema.clone();
        Object::of(Kind::Index, Name { schema, ..name }, table)
    };
    if head.has(at, &["ATTACH", "PARTITION"]) {
        let (partition, _) = head.name(at + 2)?;
        let partition = Object::new(Kind::Table, partition);
        return Some(Effect::Owns(partition, table.clone()));
    }
    if head.has(at, &["RENAME", "CONSTRAINT"]) {
        let (from, behind) = head.name(at + 2)?;
        let (to, _) = head.name(head.behind(behind, &["TO"]))?;
        return Some(Effect::Renames(index(from), to.name));
    }
    if head.is(at, "RENAME") {
        let (from, behind) = head.name(head.behind(at + 1, &["COLUMN"]))?;
        let (to, _) = head.name(head.behind(behind, &["TO"]))?;
        return Some(Effect::Renames(column(from), to.name));
    }
    if head.has(at, &["ADD", "CONSTRAINT"]) {
        let (name, behind) = head.name(at + 2)?;
        let behind = head.behind(head.behind(behind, &["UNIQUE"]), &["PRIMARY", "KEY"]);
        let using = head.has(behind, &["USING", "INDEX"]);
        let (from, _) = head.name(behind + 2).filter(|_| using)?;
        return Some(Effect::Renames(index(from), name.name));
    }
    if head.is(at, "ADD") {
        let at = head.behind(at + 1, &["COLUMN"]);
        let at = head.behind(at, &["IF", "NOT", "EXISTS"]);
        let (name, _) = head.name(at).filter(|_| !head.is_any(at, &NO_COLUMN))?;
        return Some(Effect::Makes(column(name)));
    }
    if head.is(at, "DROP") {
        let constraint = head.is(at + 1, "CONSTRAINT");
        let at = head.behind(head.behind(at + 1, &["COLUMN"]), &["CONSTRAINT"]);
        let (name, behind) = head.name(head.behind(at, &["IF", "EXISTS"]))?;
        let cascade = head.is(behind, "CASCADE");
        let object = if constraint {
            index(name)
        } else {
            column(name)
        };
        return Some(Effect::Drops(object, cascade));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let effects = effects(text, Span::new(0, text.len()));
        let lines: Vec<String> = effects
            .iter()
            .map(|effect| match effect {
                Effect::Makes(object) => format!("+{object}"),
                Effect::Drops(object, false) => format!("-{object}"),
                Effect::Drops(object, true) => format!("--{object}"),
                Effect::Renames(object, to) => format!("{object} > {to}"),
                Effect::Moves(object, to) => format!("{object} @ {to}"),
                Effect::Owns(object, table) => format!("{object} in {}", table.name),
            })
            .collect();
        lines.join(", ")
    }

    #[test]
    fn what_is_made() {
        for (text, expected) in [
            (
                "create table if not exists App.T (id int, \"B c\" numeric(3, 2) check (\"B c\" > 0), primary key (id), like u)",
                "+table app.t, +column id of app.t, +column B c of app.t",
            ),
            (
                "create table p1 partition of p (a not null) for values in (1)",
                "+table p1, table p1 in p",
            ),
            ("create unlogged table t as select 1 as a", "+table t"),
            ("create temp table t (a int)", ""),
            (
                "create unique index concurrently if not exists i on only a.t (x)",
                "+index a.i",
            ),
            ("create index on t (x)", ""),
            ("create or replace view v as select 1", "+view v"),
            (
                "create materialized view m as select 1",
                "+materialized view m",
            ),
            (
                "create constraint trigger g after insert or update of a on s.t for each row execute function f()",
                "+trigger g of s.t",
            ),
            (
                "create or replace procedure s.p(a int) language sql as ''",
                "+function s.p",
            ),
            ("create schema if not exists s authorization x", "+schema s"),
            ("create schema authorization x", ""),
            (
                "create extension if not exists \"uuid-ossp\"",
                "+extension uuid-ossp",
            ),
            ("create domain d as int", "+type d"),
            (
                "create sequence s owned by t.a",
                "+sequence s, sequence s in t",
            ),
            ("create role r", ""),
            ("insert into t values ('create table x ()')", ""),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_changed_and_dropped() {
        for (text, expected) in [
            (
                "drop table if exists a, s.b cascade",
                "--table a, --table s.b",
            ),
            ("drop function f(int, text), g", "-function f, -function g"),
            ("drop trigger if exists g on s.t", "-trigger g of s.t"),
            ("drop index concurrently if exists i", "-index i"),
            ("alter table t rename to u", "table t > u"),
            (
                "alter table if exists only s.t rename a to b",
                "column a of s.t > b",
            ),
            (
                "alter table t rename column a to \"B\"",
                "column a of t > B",
            ),
            ("alter view v set schema s", "view v @ s"),
            (
                "alter table t add a int default (1, 2), add column if not exists b int, add primary key (a), add constraint c check (a > 0), drop column d cascade, drop e, alter f drop not null",
                "+column a of t, +column b of t, --column d of t, -column e of t",
            ),
            (
                "alter table s.t add constraint c unique using index i",
                "index s.i > c",
            ),
            ("alter table s.p attach partition c default", "table c in p"),
            ("alter table t drop constraint if exists c", "-index c"),
            ("alter sequence s.q owned by s.t.a", "sequence s.q in t"),
            ("alter function f(int) rename to g", "function f > g"),
            ("alter type e add value 'x'", ""),
            ("drop owned by x", ""),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
