//! CREATE.

use super::super::act::{Act, Column, Create, Key, Object, Target};
use super::super::cursor::Cursor;
use super::super::lexer::Kind;
use super::{index_name, kind, options, signature, user};

pub fn create(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["create"])?;
    let replaces = cursor.eat(&["or", "replace"]);
    let custom = cursor.eat(&["custom"]);
    let kind = kind(&mut cursor)?;
    let guarded = cursor.eat(&["if", "not", "exists"]);
    if replaces && !matches!(kind, "function" | "aggregate") || custom && kind != "index" {
        return None;
    }
    let mut made = Create {
        object: Object::Keyspace(String::new()),
        guarded,
        replaces,
        columns: Vec::new(),
        key: Key::default(),
        options: Vec::new(),
        id: None,
        id_place: None,
        base: None,
        targets: Vec::new(),
        class: None,
        body: None,
    };
    made.object = match kind {
        "keyspace" => {
            let name = cursor.identifier()?;
            made.options = options(&mut cursor)?.names;
            Object::Keyspace(name)
        }
        "table" => table(&mut cursor, &mut made)?,
        "type" => {
            let name = cursor.name()?;
            made.columns = body(&mut cursor, |cursor| {
                let field = cursor.column()?;
                (!field.is_static).then_some(field)
            })?;
            cursor.end()?;
            Object::Type(name)
        }
        "index" => index(&mut cursor, custom, &mut made)?,
        "view" => view(&mut cursor, &mut made)?,
        "function" => {
            let name = cursor.function()?;
            let arguments = Some(arguments(&mut cursor)?);
            made.body = Some(function_body(&mut cursor)?);
            Object::Function { name, arguments }
        }
        "aggregate" => {
            let name = cursor.function()?;
            let arguments = Some(signature(&mut cursor)??);
            cursor.expect(&["sfunc"])?;
            cursor.tail()?;
            Object::Aggregate { name, arguments }
        }
        "trigger" => {
            let name = cursor.identifier()?;
            cursor.expect(&["on"])?;
            let table = cursor.name()?;
            cursor.expect(&["using"])?;
            made.class = Some(cursor.string()?);
            cursor.end()?;
            Object::Trigger { name, table }
        }
        "role" => {
            let name = cursor.role()?;
            cursor.tail()?;
            Object::Role(name)
        }
        _ => {
            let name = user(&mut cursor)?;
            cursor.tail()?;
            Object::Role(name)
        }
    };
    Some(Act::Create(Box::new(made)))
}

/// `( item , … )` where commas may follow each other and stand at the end, as the server takes them.
fn body<T>(cursor: &mut Cursor, mut item: impl FnMut(&mut Cursor) -> Option<T>) -> Option<Vec<T>> {
    cursor.expect_sign("(")?;
    let mut items = vec![item(cursor)?];
    while cursor.eat_sign(",") {
        let mut ahead = *cursor;
        if !(ahead.eat_sign(",") || ahead.eat_sign(")")) {
            items.push(item(cursor)?);
        }
    }
    cursor.expect_sign(")")?;
    Some(items)
}

/// What stands between the parentheses of CREATE TABLE.
enum Item {
    Column(Column, bool),
    Key(Key),
}

fn table(cursor: &mut Cursor, made: &mut Create) -> Option<Object> {
    let name = cursor.name()?;
    for item in body(cursor, |cursor| {
        if cursor.eat(&["primary", "key"]) {
            return Some(Item::Key(key(cursor)?));
        }
        let column = cursor.column()?;
        mask(cursor)?;
        let key = cursor.eat(&["primary", "key"]);
        Some(Item::Column(column, key))
    })? {
        match item {
            Item::Column(column, in_key) => {
                if in_key {
                    made.key.partition.push(column.name.clone());
                }
                made.columns.push(column);
            }
            Item::Key(key) => made.key = key,
        }
    }
    identified(cursor, made)?;
    Some(Object::Table(name))
}

/// The options of what has an id.
fn identified(cursor: &mut Cursor, made: &mut Create) -> Option<()> {
    let options = options(cursor)?;
    (made.options, made.id, made.id_place) = (options.names, options.id, options.place);
    Some(())
}

/// `MASKED WITH function(…)` or `MASKED WITH DEFAULT`, or nothing.
pub fn mask(cursor: &mut Cursor) -> Option<()> {
    if cursor.eat(&["masked", "with"]) && !cursor.eat(&["default"]) {
        cursor.name()?;
        cursor.brackets()?;
    }
    Some(())
}

/// `((a, b), c)` or `(a, c)`.
fn key(cursor: &mut Cursor) -> Option<Key> {
    cursor.expect_sign("(")?;
    let partition = cursor.one_or_list(Cursor::identifier)?;
    let clustering = match cursor.eat_sign(",") {
        true => cursor.separated(",", Cursor::identifier)?,
        false => Vec::new(),
    };
    cursor.expect_sign(")")?;
    Some(Key {
        partition,
        clustering,
    })
}

fn index(cursor: &mut Cursor, custom: bool, made: &mut Create) -> Option<Object> {
    let own = match cursor.is("on") {
        true => None,
        false => Some(cursor.identifier()?),
    };
    cursor.expect(&["on"])?;
    let table = cursor.name()?;
    // A custom index may name no column at all.
    let mut ahead = *cursor;
    let columns = match ahead.eat_sign("(") && ahead.eat_sign(")") {
        true => {
            *cursor = ahead;
            Vec::new()
        }
        false => cursor.list(target)?,
    };
    // `USING 'sai'` makes any index a custom one.
    if cursor.eat(&["using"]) {
        made.class = Some(cursor.string()?);
    }
    if custom && made.class.is_none() {
        return None;
    }
    made.options = options(cursor)?.names;
    cursor.end()?;
    let column = match columns.as_slice() {
        [target] => Some(target.column.as_str()),
        _ => None,
    };
    let name = super::Name {
        keyspace: table.keyspace.clone(),
        name: own.clone().unwrap_or_else(|| index_name(&table, column)),
    };
    made.targets = columns;
    Some(Object::Index {
        name,
        unnamed: own.is_none(),
        table: Some(table),
    })
}

/// A column, or KEYS, VALUES, ENTRIES or FULL of one.
pub fn target(cursor: &mut Cursor) -> Option<Target> {
    for word in ["keys", "values", "entries", "full"] {
        let mut ahead = *cursor;
        if ahead.eat(&[word]) && ahead.eat_sign("(") {
            let column = ahead.identifier()?;
            ahead.expect_sign(")")?;
            *cursor = ahead;
            return Some(Target {
                of: Some(word),
                column,
            });
        }
    }
    Some(Target {
        of: None,
        column: cursor.identifier()?,
    })
}

fn view(cursor: &mut Cursor, made: &mut Create) -> Option<Object> {
    let name = cursor.name()?;
    cursor.expect(&["as", "select"])?;
    cursor.until(&["from"])?;
    cursor.expect(&["from"])?;
    made.base = Some(cursor.name()?);
    cursor.until(&["primary"])?;
    cursor.expect(&["primary", "key"])?;
    made.key = key(cursor)?;
    identified(cursor, made)?;
    Some(Object::View(name))
}

/// The types of `(name type, …)`, or of `()`.
fn arguments(cursor: &mut Cursor) -> Option<Vec<String>> {
    let mut ahead = *cursor;
    if ahead.eat_sign("(") && ahead.eat_sign(")") {
        *cursor = ahead;
        return Some(Vec::new());
    }
    cursor.list(|cursor| {
        cursor.identifier()?;
        cursor.kind()
    })
}

fn function_body(cursor: &mut Cursor) -> Option<String> {
    let _ = cursor.eat(&["returns", "null"]) || cursor.eat(&["called"]);
    cursor.expect(&["on", "null", "input", "returns"])?;
    cursor.kind()?;
    cursor.expect(&["language"])?;
    cursor.take_kind(Kind::Word)?;
    cursor.expect(&["as"])?;
    let body = cursor.string()?;
    cursor.end()?;
    Some(body)
}
