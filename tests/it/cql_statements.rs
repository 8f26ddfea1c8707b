//! What kmig's CQL parser makes of statements against what Cassandra's own makes of them. tests/cql/statements.json holds
//! both; the head of tests/cql/statements.py says how it is made. KMIG_CQL_STATEMENTS names a larger file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kmig::cql::{Act, BatchKind, Change, Column, Create, Name, Object, Write, WriteVerb, split};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    is: String,
}

#[test]
fn cassandra_parses_alike() {
    let file = std::env::var_os("KMIG_CQL_STATEMENTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cql/statements.json"),
        PathBuf::from,
    );
    let cases = fs::read_to_string(file).expect("the cases");
    let cases: Vec<Case> = serde_json::from_str(&cases).expect("texts and words");
    assert!(cases.len() > 500);
    let mut different = Vec::new();
    for Case { text, is } in &cases {
        let script = split(text);
        let found: Vec<String> = script
            .statements
            .iter()
            .map(|found| words(&found.act))
            .collect();
        let found: Vec<String> = found.iter().map(|found| plain(found)).collect();
        if found != [plain(is)] || !script.problems.is_empty() {
            different.push(format!(
                "{text:?}\n  {is}\n  {found:?} {:?}",
                script.problems
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {}:\n{}",
        different.len(),
        cases.len(),
        different[..different.len().min(10)].join("\n")
    );
}

/// Without what Cassandra's parser adds to types and takes from them: frozen where it is implied, quotes.
fn plain(words: &str) -> String {
    let mut plain = String::new();
    let mut closing = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("frozen<") {
            closing.push(true);
            rest = behind;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            '"' => continue,
            '<' => closing.push(false),
            '>' if closing.pop() == Some(true) => continue,
            _ => {}
        }
        plain.push(first);
    }
    plain
}

fn words(act: &Act) -> String {
    match act {
        Act::Create(made) => created(made),
        Act::Alter {
            object,
            guarded,
            change,
        } => {
            let object = named(object, *guarded);
            match change {
                _ if !(object.starts_with("table") || object.starts_with("type")) => {
                    format!("alter {object}")
                }
                change => format!("alter {object} {}", changed(change)),
            }
        }
        Act::Drop { object, guarded } => format!("drop {}", named(object, *guarded)),
        Act::Grant { to } => format!("grant {to}"),
        Act::Revoke { from } => format!("revoke {from}"),
        Act::List => "list".into(),
        Act::Select { table } => format!("select {}", name(table)),
        Act::Truncate { table } => format!("truncate {}", name(table)),
        Act::Use { keyspace } => format!("use {keyspace}"),
        Act::Write(write) => written(write),
        Act::Batch(batch) => {
            let kind = match batch.kind {
                BatchKind::Logged => "logged",
                BatchKind::Unlogged => "unlogged",
                BatchKind::Counter => "counter",
            };
            let mut words = format!(
                "batch {kind}{}{}",
                mark(" t", batch.timestamp),
                mark(" l", batch.ttl)
            );
            for write in &batch.writes {
                words = format!("{words}; {}", written(write));
            }
            words
        }
        Act::Other => "other".into(),
    }
}

fn mark(mark: &str, is: bool) -> &str {
    if is { mark } else { "" }
}

fn name(name: &Name) -> String {
    match &name.keyspace {
        Some(keyspace) => format!("{keyspace}.{}", name.name),
        None => name.name.clone(),
    }
}

/// Kind and name, with a `?` between them where it is guarded.
fn named(object: &Object, guarded: bool) -> String {
    let types = |arguments: &Option<Vec<String>>| match arguments {
        Some(arguments) => format!("({})", arguments.join(", ")),
        None => String::new(),
    };
    let (kind, name) = match object {
        Object::Keyspace(keyspace) => ("keyspace", keyspace.clone()),
        Object::Table(table) => ("table", name(table)),
        Object::Type(kind) => ("type", name(kind)),
        Object::View(view) => ("view", name(view)),
        Object::Index {
            name: index,
            unnamed,
            table,
        } => {
            let shown = match (unnamed, table) {
                (true, Some(table)) => format!("- on {}", name(table)),
                (false, Some(table)) => format!("{} on {}", index.name, name(table)),
                (_, None) => name(index),
            };
            ("index", shown)
        }
        Object::Function {
            name: function,
            arguments,
        } => ("function", name(function) + &types(arguments)),
        Object::Aggregate {
            name: aggregate,
            arguments,
        } => ("aggregate", name(aggregate) + &types(arguments)),
        Object::Trigger {
            name: trigger,
            table,
        } => ("trigger", format!("{trigger} on {}", name(table))),
        Object::Role(role) => ("role", role.clone()),
    };
    format!("{kind}{} {name}", mark("?", guarded))
}

fn created(made: &Create) -> String {
    let list = |items: &[String]| format!("[{}]", items.join(", "));
    let object = named(&made.object, made.guarded);
    let object = match (made.replaces, object.split_once(' ')) {
        (true, Some((kind, name))) => format!("{kind} or replace {name}"),
        _ => object,
    };
    let key = format!(
        "partition {} clustering {}",
        list(&made.key.partition),
        list(&made.key.clustering)
    );
    match made.object {
        Object::Table(_) => {
            let options = sorted(made.options.iter().cloned());
            let id = made.id.as_deref().unwrap_or("null");
            let columns = columns(&made.columns);
            format!("create {object} columns {columns} {key} options {options} id {id}")
        }
        Object::Type(_) => {
            let names: Vec<String> = made
                .columns
                .iter()
                .map(|field| field.name.clone())
                .collect();
            let kinds: Vec<String> = made
                .columns
                .iter()
                .map(|field| field.kind.clone())
                .collect();
            format!(
                "create {object} fields {} ({})",
                list(&names),
                kinds.join(", ")
            )
        }
        Object::View(_) => format!("create {object} {key}"),
        _ => format!("create {object}"),
    }
}

fn sorted(items: impl Iterator<Item = String>) -> String {
    let items: BTreeSet<String> = items.collect();
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn columns(columns: &[Column]) -> String {
    sorted(columns.iter().map(|column| {
        format!(
            "{} {}{}",
            column.name,
            column.kind,
            mark(" static", column.is_static)
        )
    }))
}

fn changed(change: &Change) -> String {
    match change {
        Change::Add { columns: added, .. } => format!("add {}", columns(added)),
        Change::Drop {
            columns, timestamp, ..
        } => format!(
            "drop {}{}",
            sorted(columns.iter().cloned()),
            mark(" t", *timestamp)
        ),
        Change::Rename { names, .. } => {
            let names: BTreeSet<String> = names
                .iter()
                .map(|(from, to)| format!("{from}={to}"))
                .collect();
            format!(
                "rename {{{}}}",
                names.into_iter().collect::<Vec<_>>().join(", ")
            )
        }
        Change::Retype { .. } => "alter".into(),
        Change::Mask { column } => format!("mask {column}"),
        Change::Compact => "compact".into(),
        Change::Options(names) => format!("options {}", sorted(names.iter().cloned())),
    }
}

/// A write, with the columns that a repeat changes once more.
fn written(write: &Write) -> String {
    let verb = match write.verb {
        WriteVerb::Insert => "insert",
        WriteVerb::Update => "update",
        WriteVerb::Delete => "delete",
    };
    let mut words = format!(
        "{verb} {}{}{}{}",
        name(&write.table),
        mark(" c", write.conditional),
        mark(" t", write.timestamp),
        mark(" l", write.ttl)
    );
    for column in &write.accumulates {
        words = format!("{words} <{column}>");
    }
    words
}
