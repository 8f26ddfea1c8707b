//! ALTER.

use super::super::act::{Act, Change, Object};
use super::super::cursor::Cursor;
use super::super::lexer::Kind;
use super::create::mask;
use super::{kind, options, user};

pub fn alter(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["alter"])?;
    let kind = kind(&mut cursor)?;
    let guarded = cursor.eat(&["if", "exists"]);
    let (object, change) = match kind {
        "keyspace" => (
            Object::Keyspace(cursor.identifier()?),
            settings(&mut cursor)?,
        ),
        "view" => (Object::View(cursor.name()?), settings(&mut cursor)?),
        "table" => (Object::Table(cursor.name()?), table(&mut cursor)?),
        "type" => (Object::Type(cursor.name()?), fields(&mut cursor)?),
        "role" | "user" => {
            let name = match kind {
                "role" => cursor.role()?,
                _ => user(&mut cursor)?,
            };
            cursor.tail()?;
            (Object::Role(name), Change::Options(Vec::new()))
        }
        _ => return None,
    };
    cursor.end()?;
    Some(Act::Alter {
        object,
        guarded,
        change,
    })
}

fn settings(cursor: &mut Cursor) -> Option<Change> {
    let names = options(cursor)?.names;
    (!names.is_empty()).then_some(Change::Options(names))
}

fn table(cursor: &mut Cursor) -> Option<Change> {
    if cursor.is("with") {
        return settings(cursor);
    }
    if cursor.eat(&["alter"]) {
        return column(cursor);
    }
    if cursor.eat(&["add"]) {
        let guarded = cursor.eat(&["if", "not", "exists"]);
        let columns = cursor.one_or_list(|cursor| {
            let column = cursor.column()?;
            mask(cursor)?;
            Some(column)
        })?;
        return Some(Change::Add { columns, guarded });
    }
    if cursor.eat(&["drop", "compact", "storage"]) {
        return Some(Change::Compact);
    }
    if cursor.eat(&["drop"]) {
        let guarded = cursor.eat(&["if", "exists"]);
        let columns = cursor.one_or_list(Cursor::identifier)?;
        let timestamp = cursor.eat(&["using", "timestamp"]);
        if timestamp {
            cursor.eat_sign("-");
            cursor.take_kind(Kind::Number)?;
        }
        return Some(Change::Drop {
            columns,
            guarded,
            timestamp,
        });
    }
    rename(cursor)
}

/// Behind ALTER of a table: a type, which servers since 3.11 refuse, or a mask.
fn column(cursor: &mut Cursor) -> Option<Change> {
    cursor.eat(&["if", "exists"]);
    let column = cursor.identifier()?;
    if cursor.eat(&["type"]) {
        cursor.kind()?;
        return Some(Change::Retype { column });
    }
    if !cursor.eat(&["drop", "masked"]) {
        cursor.is("masked").then_some(())?;
        mask(cursor)?;
    }
    Some(Change::Mask { column })
}

fn fields(cursor: &mut Cursor) -> Option<Change> {
    if cursor.eat(&["add"]) {
        let guarded = cursor.eat(&["if", "not", "exists"]);
        let columns = vec![cursor.column()?];
        return Some(Change::Add { columns, guarded });
    }
    if cursor.eat(&["alter"]) {
        let column = cursor.identifier()?;
        cursor.expect(&["type"])?;
        cursor.kind()?;
        return Some(Change::Retype { column });
    }
    rename(cursor)
}

fn rename(cursor: &mut Cursor) -> Option<Change> {
    cursor.expect(&["rename"])?;
    let guarded = cursor.eat(&["if", "exists"]);
    let mut names = Vec::new();
    loop {
        let from = cursor.identifier()?;
        cursor.expect(&["to"])?;
        names.push((from, cursor.identifier()?));
        if !cursor.eat(&["and"]) {
            return Some(Change::Rename { names, guarded });
        }
    }
}
