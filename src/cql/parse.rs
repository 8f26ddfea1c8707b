//! What a statement does, read from its tokens by the grammar of Cassandra's Parser.g, 4.0 to 5.0.
//!
//! A definition is understood whole or not at all: what has a token too many is [`Act::Other`]. Of conditions, terms
//! and options only what somebody asks for is looked at.

use super::act::{Act, IdPlace, Name, Object};
use super::cursor::{Cursor, significant};
use super::lexer::Kind;
use crate::place::Span;

mod alter;
mod create;
mod write;

pub(super) use create::target;

/// What the statement at `span` does.
pub fn parse(text: &str, span: Span) -> Act {
    let tokens = significant(text, span);
    let cursor = Cursor::new(text, &tokens);
    let first = match cursor.peek() {
        Some(token) if token.kind == Kind::Word => token.span.of(text).to_ascii_lowercase(),
        _ => return Act::Other,
    };
    let act = match first.as_str() {
        "create" => create::create(cursor),
        "alter" => alter::alter(cursor),
        "drop" => drop(cursor),
        "grant" => role_change(cursor, "to").map(|to| Act::Grant { to }),
        "revoke" => role_change(cursor, "from").map(|from| Act::Revoke { from }),
        "list" => Some(Act::List),
        "select" => select(cursor),
        "insert" | "update" | "delete" => write::write(cursor).map(Act::Write),
        "begin" => write::batch(cursor),
        "truncate" => truncate(cursor),
        "use" => use_keyspace(cursor),
        _ => None,
    };
    act.unwrap_or(Act::Other)
}

fn drop(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["drop"])?;
    let kind = kind(&mut cursor)?;
    let guarded = cursor.eat(&["if", "exists"]);
    let object = match kind {
        "keyspace" => Object::Keyspace(cursor.identifier()?),
        "table" => Object::Table(cursor.name()?),
        "type" => Object::Type(cursor.name()?),
        "view" => Object::View(cursor.name()?),
        "index" => Object::Index {
            name: cursor.name()?,
            unnamed: false,
            table: None,
        },
        "function" => Object::Function {
            name: cursor.function()?,
            arguments: signature(&mut cursor)?,
        },
        "aggregate" => Object::Aggregate {
            name: cursor.function()?,
            arguments: signature(&mut cursor)?,
        },
        "trigger" => Object::Trigger {
            name: cursor.identifier()?,
            table: {
                cursor.expect(&["on"])?;
                cursor.name()?
            },
        },
        "role" => Object::Role(cursor.role()?),
        _ => Object::Role(user(&mut cursor)?),
    };
    cursor.end()?;
    Some(Act::Drop { object, guarded })
}

/// The kind of object that CREATE, ALTER or DROP names, by one word for each.
fn kind(cursor: &mut Cursor) -> Option<&'static str> {
    const KINDS: [(&[&str], &str); 12] = [
        (&["keyspace"], "keyspace"),
        (&["schema"], "keyspace"),
        (&["table"], "table"),
        (&["columnfamily"], "table"),
        (&["type"], "type"),
        (&["materialized", "view"], "view"),
        (&["index"], "index"),
        (&["function"], "function"),
        (&["aggregate"], "aggregate"),
        (&["trigger"], "trigger"),
        (&["role"], "role"),
        (&["user"], "user"),
    ];
    KINDS
        .iter()
        .find(|(words, _)| cursor.eat(words))
        .map(|(_, kind)| *kind)
}

/// The types of a function's arguments where they are given: `(int, text)`, or `()`.
fn signature(cursor: &mut Cursor) -> Option<Option<Vec<String>>> {
    let mut ahead = *cursor;
    if !ahead.eat_sign("(") {
        return Some(None);
    }
    if ahead.eat_sign(")") {
        *cursor = ahead;
        return Some(Some(Vec::new()));
    }
    cursor.list(Cursor::kind).map(Some)
}

/// The name of a USER, which unlike a ROLE's is not folded and cannot stand in double quotes.
fn user(cursor: &mut Cursor) -> Option<String> {
    match cursor.take_kind(Kind::Word) {
        Some(name) => Some(name.to_string()),
        None => cursor.string(),
    }
}

/// GRANT and REVOKE: the role behind the last TO or FROM.
fn role_change(mut cursor: Cursor, word: &str) -> Option<String> {
    cursor.take()?;
    cursor.until(&[word])?;
    cursor.expect(&[word])?;
    let role = cursor.role()?;
    cursor.end()?;
    Some(role)
}

fn select(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["select"])?;
    cursor.until(&["from"])?;
    cursor.expect(&["from"])?;
    let table = cursor.name()?;
    cursor.tail()?;
    Some(Act::Select { table })
}

/// Whether the SELECT at `span` asks for every column that its table has.
pub fn selects_all(text: &str, span: Span) -> bool {
    let tokens = significant(text, span);
    let mut cursor = Cursor::new(text, &tokens);
    let _ = cursor.eat(&["select", "json"]) || cursor.eat(&["select"]);
    cursor.eat_sign("*")
}

fn truncate(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["truncate"])?;
    let _ = cursor.eat(&["table"]) || cursor.eat(&["columnfamily"]);
    let table = cursor.name()?;
    cursor.end()?;
    Some(Act::Truncate { table })
}

fn use_keyspace(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["use"])?;
    let keyspace = cursor.identifier()?;
    cursor.end()?;
    Some(Act::Use { keyspace })
}

/// What stands behind WITH: the names, and the value of `id`.
#[derive(Default)]
struct Options {
    names: Vec<String>,
    id: Option<String>,
    place: Option<IdPlace>,
}

/// `WITH option AND option …` up to the end; nothing where there is no WITH.
fn options(cursor: &mut Cursor) -> Option<Options> {
    let mut options = Options::default();
    let mut place = |cursor: &Cursor, behind_with| {
        options.place = Some(IdPlace {
            at: cursor.behind(),
            behind_with,
        });
    };
    if !cursor.eat(&["with"]) {
        place(cursor, false);
        cursor.end()?;
        return Some(options);
    }
    place(cursor, true);
    loop {
        if cursor.eat(&["compact", "storage"]) {
            options.names.push("compact storage".into());
        } else if cursor.eat(&["clustering", "order", "by"]) {
            cursor.brackets()?;
            options.names.push("clustering order".into());
        } else {
            let name = cursor.identifier()?;
            cursor.expect_sign("=")?;
            cursor.eat_sign("-");
            let value = cursor.peek()?;
            match value.kind {
                Kind::Open => cursor.brackets().map(|_| ())?,
                Kind::Sign | Kind::Close | Kind::Semicolon => return None,
                _ => cursor.take().map(|_| ())?,
            }
            if name == "id" {
                let written = value.span.of(cursor.source());
                options.id = Some(written.trim_matches('\'').to_ascii_lowercase());
            }
            options.names.push(name);
        }
        if !cursor.eat(&["and"]) {
            cursor.end()?;
            return Some(options);
        }
    }
}

/// The name that the server gives an index on one column (IndexMetadata's default name): word characters only.
fn index_name(table: &Name, column: Option<&str>) -> String {
    let mut name = match column {
        Some(column) => format!("{}_{column}_idx", table.name),
        None => format!("{}_idx", table.name),
    };
    name.retain(|c| c.is_ascii_alphanumeric() || c == '_');
    name
}

#[cfg(test)]
mod tests;
