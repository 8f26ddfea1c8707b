//! INSERT, UPDATE, DELETE and BATCH, and why one of them would not write the same when it is repeated.

use super::super::act::{Act, Batch, BatchKind, Unrepeatable, Write, WriteVerb};
use super::super::cursor::{BEGINNINGS, Cursor, is_reserved};
use super::super::lexer::{Kind, Token};
use crate::place::Span;

mod removes;

/// Built-in functions that say the same for the same arguments, beside those whose name tells (`…asblob`, `mask_…`).
const PURE: [&str; 34] = [
    "abs",
    "cast",
    "collection_avg",
    "collection_count",
    "collection_max",
    "collection_min",
    "collection_sum",
    "dateof",
    "exp",
    "from_json",
    "fromjson",
    "log",
    "log10",
    "map_keys",
    "map_values",
    "max_timeuuid",
    "maxtimeuuid",
    "min_timeuuid",
    "mintimeuuid",
    "round",
    "similarity_cosine",
    "similarity_dot_product",
    "similarity_euclidean",
    "to_date",
    "to_json",
    "to_timestamp",
    "to_unix_timestamp",
    "todate",
    "tojson",
    "token",
    "totimestamp",
    "tounixtimestamp",
    "unixtimestampof",
    "expr",
];

/// Words in front of a parenthesis that are no function's name, reserved ones apart.
const BEFORE_PARENTHESIS: [&str; 6] = ["values", "contains", "key", "like", "between", "as"];

pub fn write(mut cursor: Cursor) -> Option<Write> {
    let all = cursor;
    let mut write = Write {
        verb: WriteVerb::Insert,
        table: super::Name {
            keyspace: None,
            name: String::new(),
        },
        span: whole(cursor.rest()),
        removes: Vec::new(),
        conditional: false,
        timestamp: false,
        ttl: false,
        accumulates: Vec::new(),
        unrepeatable: Vec::new(),
    };
    if cursor.eat(&["insert", "into"]) {
        insert(&mut cursor, &mut write)?;
    } else if cursor.eat(&["update"]) {
        write.verb = WriteVerb::Update;
        update(&mut cursor, &mut write)?;
    } else {
        cursor.expect(&["delete"])?;
        write.verb = WriteVerb::Delete;
        delete(&mut cursor, &mut write)?;
    }
    cursor.end()?;
    write.unrepeatable.extend(calls(all));
    write.unrepeatable.sort_by_key(|found| found.span);
    Some(write)
}

fn insert(cursor: &mut Cursor, write: &mut Write) -> Option<()> {
    write.table = cursor.name()?;
    if cursor.eat(&["json"]) {
        let json = cursor.peek()?.span;
        let object = cursor.string()?;
        let keeps = cursor.eat(&["default", "unset"]);
        let _ = cursor.eat(&["default", "null"]);
        if !keeps || removes::json(&object) {
            write.removes.push(json);
        }
    } else {
        cursor.brackets()?;
        cursor.expect(&["values"])?;
        let values = commas(cursor.brackets()?, cursor.source());
        let removed = values.filter(|value| removes::value(value, cursor.source()));
        write.removes.extend(removed.map(whole));
    }
    write.conditional = cursor.eat(&["if", "not", "exists"]);
    using(cursor, write)
}

fn update(cursor: &mut Cursor, write: &mut Write) -> Option<()> {
    write.table = cursor.name()?;
    using(cursor, write)?;
    cursor.expect(&["set"])?;
    let assignments = cursor.until(&["where"])?;
    for assignment in commas(assignments, cursor.source()) {
        let mut assigned = Cursor::new(cursor.source(), assignment);
        let column = assigned.identifier()?;
        if removes::assignment(assignment, cursor.source()) {
            write.removes.push(whole(assignment));
        }
        if let Some(why) = accumulates(&column, assigned)? {
            write.accumulates.push(column);
            write.unrepeatable.push(Unrepeatable {
                why: why.into(),
                span: whole(assignment),
            });
        }
    }
    condition(cursor, write)
}

fn delete(cursor: &mut Cursor, write: &mut Write) -> Option<()> {
    let selected = cursor.until(&["from"])?;
    cursor.expect(&["from"])?;
    for element in commas(selected, cursor.source()) {
        let mut inside = Cursor::new(cursor.source(), element);
        inside.identifier()?;
        if let Some([key]) = inside.rest().first().and_then(|_| inside.brackets())
            && key.kind == Kind::Number
        {
            write.unrepeatable.push(Unrepeatable {
                why: "if this is an element of a list, a repeat deletes the next one".into(),
                span: whole(element),
            });
        }
    }
    write.table = cursor.name()?;
    using(cursor, write)?;
    condition(cursor, write)
}

/// `WHERE … [IF …]`.
fn condition(cursor: &mut Cursor, write: &mut Write) -> Option<()> {
    cursor.expect(&["where"])?;
    cursor.until(&BEGINNINGS)?;
    write.conditional = cursor.eat(&["if"]);
    cursor.tail()
}

/// `USING TIMESTAMP n AND TTL n`, or nothing.
fn using(cursor: &mut Cursor, write: &mut Write) -> Option<()> {
    let (timestamp, ttl) = attributes(cursor)?;
    (write.timestamp, write.ttl) = (timestamp, ttl);
    Some(())
}

fn attributes(cursor: &mut Cursor) -> Option<(bool, bool)> {
    let (mut timestamp, mut ttl) = (false, false);
    if !cursor.eat(&["using"]) {
        return Some((false, false));
    }
    loop {
        if cursor.eat(&["timestamp"]) {
            timestamp = true;
        } else {
            cursor.expect(&["ttl"])?;
            ttl = true;
        }
        cursor.eat_sign("-");
        cursor.take_kind(Kind::Number)?;
        if !cursor.eat(&["and"]) {
            return Some((timestamp, ttl));
        }
    }
}

pub fn batch(mut cursor: Cursor) -> Option<Act> {
    cursor.expect(&["begin"])?;
    let kind = match (cursor.eat(&["unlogged"]), cursor.eat(&["counter"])) {
        (false, false) => BatchKind::Logged,
        (true, _) => BatchKind::Unlogged,
        (_, true) => BatchKind::Counter,
    };
    cursor.expect(&["batch"])?;
    let (timestamp, ttl) = attributes(&mut cursor)?;
    let mut writes = Vec::new();
    while !cursor.eat(&["apply", "batch"]) {
        writes.push(member(&mut cursor)?);
    }
    cursor.end()?;
    Some(Act::Batch(Batch {
        kind,
        timestamp,
        ttl,
        writes,
    }))
}

/// The next statement of a batch: up to its `;`, or to the verb of the one behind it.
fn member(cursor: &mut Cursor) -> Option<Write> {
    const VERBS: [&str; 4] = ["insert", "update", "delete", "apply"];
    let start = cursor.rest();
    cursor.take()?;
    while let Some(token) = cursor.peek() {
        if token.kind == Kind::Semicolon || VERBS.iter().any(|verb| cursor.is(verb)) {
            break;
        }
        cursor.take();
    }
    let member = &start[..start.len() - cursor.rest().len()];
    cursor.take_kind(Kind::Semicolon);
    write(Cursor::new(cursor.source(), member))
}

/// What makes a column's `= …` add to what is there, if it does; nothing where it is no assignment.
fn accumulates(column: &str, mut cursor: Cursor) -> Option<Option<&'static str>> {
    const LIST: &str = "if this appends to a list, a repeat appends once more";
    const COUNTER: &str = "if this is a counter or a list, a repeat changes it once more";
    let text = cursor.source();
    let is_sign =
        |token: &Token, sign: &str| token.kind == Kind::Sign && token.span.of(text) == sign;
    let judged = |operand: &[Token], minus: bool| {
        let mut literal = Cursor::new(text, operand);
        let whole = literal.brackets().is_some() && literal.at_end();
        match operand.first().map_or("", |token| token.span.of(text)) {
            _ if !whole => Some(COUNTER),
            // Adding to a set or a map, and taking from one or from a list by value, is the same twice.
            "{" => None,
            "[" if minus => None,
            "[" => Some(LIST),
            _ => Some(COUNTER),
        }
    };
    for (sign, minus) in [("+", false), ("-", true)] {
        let mut ahead = cursor;
        if ahead.eat_sign(sign) && ahead.eat_sign("=") {
            return Some(judged(ahead.rest(), minus));
        }
    }
    if let Some(open) = cursor.peek().filter(|token| token.kind == Kind::Open) {
        (open.span.of(text) == "[").then_some(())?;
        cursor.brackets()?;
    } else if cursor.eat_sign(".") {
        cursor.identifier()?;
    }
    cursor.expect_sign("=")?;
    let value = cursor.rest();
    let names_it = |token: &Token| {
        Cursor::new(text, std::slice::from_ref(token))
            .identifier()
            .as_deref()
            == Some(column)
    };
    Some(match value {
        [first, sign, operand @ ..] if names_it(first) && is_sign(sign, "+") => {
            judged(operand, false)
        }
        [first, sign, operand @ ..] if names_it(first) && is_sign(sign, "-") => {
            judged(operand, true)
        }
        [operand @ .., sign, last] if names_it(last) && is_sign(sign, "+") => {
            judged(operand, false)
        }
        _ => None,
    })
}

/// The functions called that may say something else the next time: those that do, and those that kmig does not know.
fn calls(cursor: Cursor) -> impl Iterator<Item = Unrepeatable> {
    let text = cursor.source();
    let tokens = cursor.rest();
    // The columns of an INSERT are no arguments.
    let columns = tokens
        .first()
        .is_some_and(|first| first.span.of(text).eq_ignore_ascii_case("insert"));
    let values = tokens.iter().position(|token| {
        token.kind == Kind::Word && token.span.of(text).eq_ignore_ascii_case("values")
    });
    let from = values.filter(|_| columns).unwrap_or_default();
    tokens[from..].windows(2).filter_map(move |pair| {
        let [name, open] = pair else { return None };
        if open.kind != Kind::Open || open.span.of(text) != "(" {
            return None;
        }
        let word = match name.kind {
            Kind::Word => name.span.of(text).to_ascii_lowercase(),
            Kind::Quoted => name.span.of(text).to_string(),
            _ => return None,
        };
        if name.kind == Kind::Word && (is_reserved(&word) || BEFORE_PARENTHESIS.contains(&&*word)) {
            return None;
        }
        why_not(&word).map(|why| Unrepeatable {
            why,
            span: name.span,
        })
    })
}

fn why_not(function: &str) -> Option<String> {
    const MOVING: [&str; 10] = [
        "now",
        "uuid",
        "currenttimestamp",
        "currentdate",
        "currenttime",
        "currenttimeuuid",
        "current_timestamp",
        "current_date",
        "current_time",
        "current_timeuuid",
    ];
    let pure = PURE.contains(&function)
        || function.ends_with("asblob")
        || function.ends_with("_as_blob")
        || function.starts_with("blobas")
        || function.starts_with("blob_as_")
        || function.starts_with("mask_");
    match () {
        () if MOVING.contains(&function) => {
            Some(format!("{function}() gives another value each time"))
        }
        () if pure => None,
        () => Some(format!(
            "kmig does not know whether {function}() gives the same value each time"
        )),
    }
}

/// The pieces between commas outside brackets.
fn commas<'a>(tokens: &'a [Token], text: &'a str) -> impl Iterator<Item = &'a [Token]> {
    let mut depth = 0_usize;
    tokens
        .split(move |token| {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.kind == Kind::Sign && token.span.of(text) == ","
        })
        .filter(|piece| !piece.is_empty())
}

fn whole(tokens: &[Token]) -> Span {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => Span::new(first.span.start, last.span.end),
        _ => Span::default(),
    }
}
