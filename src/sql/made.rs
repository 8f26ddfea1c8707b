//! What a statement makes, drops, renames or moves by name: what a database must have once it ran. Pure.
//!
//! Only what the text names is told. What a DO block, a function or an implicit rule of the server makes stays unknown,
//! and so nobody asks for it.

use super::Name;
use super::head::Head;
use super::lexer::Kind as Token;
pub use super::object::{Kind, Object, same};
use crate::place::Span;

/// The words of the longest CREATE before its name, `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS` and some more.
const CREATE_WORDS: usize = 8;

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

/// Whether a statement that ran proves that it made what it names: not where it takes what is there already.
pub fn proves(text: &str, span: Span) -> bool {
    let head = Head::new(text, span);
    let created = head.is(0, "CREATE");
    let lenient = |at| head.has(at, &["IF", "NOT", "EXISTS"]);
    !(created && (head.has(1, &["OR", "REPLACE"]) || (2..CREATE_WORDS).any(lenient)))
}

/// The object that an ALTER changes.
pub fn altered(text: &str, span: Span) -> Option<Object> {
    let head = Head::new(text, span);
    let (object, _) = alter_target(&head).filter(|_| head.is(0, "ALTER"))?;
    Some(object)
}

/// The table that a policy, a rule, statistics or an index without a name go with.
pub fn attached(text: &str, span: Span) -> Option<Name> {
    let head = Head::whole(text, span);
    if !head.is(0, "CREATE") {
        return None;
    }
    let at = head.behind(1, &["OR", "REPLACE"]);
    let at = head.behind(at, &["UNIQUE"]);
    let table = match head.word(at).to_ascii_uppercase().as_str() {
        "INDEX" | "POLICY" => head.find("ON")? + 1,
        "RULE" => head.find("TO")? + 1,
        "STATISTICS" => head.find("FROM")? + 1,
        _ => return None,
    };
    let (table, _) = head.name(head.behind(table, &["ONLY"]))?;
    Some(table)
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
        Kind::Function => Object {
            arguments: arguments(head, behind),
            ..Object::new(kind, name)
        },
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
        let mut object = Object::new(kind, name);
        if kind == Kind::Function {
            object.arguments = arguments(head, behind);
        }
        effects.push(Effect::Drops(object, cascade));
        let behind = head.behind_parentheses(behind);
        if head.text(behind) != "," {
            return Some(effects);
        }
        at = behind + 1;
    }
}

fn alter(head: &Head) -> Option<Vec<Effect>> {
    let (object, at) = alter_target(head)?;
    let kind = object.kind;
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

/// What an ALTER is about, and the index behind its name.
fn alter_target(head: &Head) -> Option<(Object, usize)> {
    let (kind, at) = kind(head, 1)?;
    let at = head.behind(head.behind(at, &["IF", "EXISTS"]), &["ONLY"]);
    let (name, behind) = head.name(at)?;
    let mut at = head.behind_parentheses(behind);
    if head.text(at) == "*" {
        at += 1;
    }
    let mut object = Object::new(kind, name);
    if kind == Kind::Function {
        object.arguments = arguments(head, behind);
    }
    if kind == Kind::Trigger {
        let (table, behind) = head.name(head.behind(at, &["ON"]))?;
        object.of = Some(table);
        at = behind;
    }
    Some((object, at))
}

/// The arguments in the parentheses that open at `at`; those that a function only gives back are none.
fn arguments(head: &Head, at: usize) -> Option<Vec<String>> {
    if head.kind(at) != Some(Token::Open) {
        return None;
    }
    let end = head.behind_parentheses(at).saturating_sub(1);
    let starts = items(head, at + 1, end);
    let mut found = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let next = starts.get(index + 1).map_or(end, |next| next - 1);
        if head.is(*start, "OUT") {
            continue;
        }
        let moded = head.is_any(*start, &["IN", "INOUT", "VARIADIC"]);
        let words = (start + usize::from(moded)..next)
            .take_while(|at| !head.is(*at, "DEFAULT") && head.text(*at) != "=");
        let words: Vec<String> = words.map(|at| head.text(at).to_ascii_lowercase()).collect();
        if !words.is_empty() {
            found.push(words.join(" "));
        }
    }
    Some(found)
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
mod tests;
