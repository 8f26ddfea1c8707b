//! Random tables and random rows, there and back. `KMIG_SEED` repeats a run.

use crate::compare::same;
use crate::imports::{export, target};
use crate::space::Space;
use crate::support::cassandra::{available, shared};
use fastrand::Rng;
use std::fmt::Write as _;

/// Tables of one run, and statements on each.
const TABLES: usize = 10;
const STATEMENTS: usize = 40;

/// Types that may be part of a key.
const PLAIN: [&str; 14] = [
    "int",
    "bigint",
    "smallint",
    "tinyint",
    "varint",
    "text",
    "ascii",
    "boolean",
    "double",
    "decimal",
    "timestamp",
    "uuid",
    "blob",
    "inet",
];

/// And others.
const OTHERS: [&str; 10] = [
    "date",
    "time",
    "duration",
    "float",
    "list<int>",
    "set<text>",
    "map<text, int>",
    "frozen<list<text>>",
    "frozen<map<int, text>>",
    "tuple<int, text>",
];

/// A literal of a type.
fn literal(rng: &mut Rng, kind: &str) -> String {
    let texts = ["''", "'a'", "'ü ß'", "'it''s'", "'0'"];
    let text = |rng: &mut Rng| texts[rng.usize(..texts.len())].to_string();
    match kind {
        "int" => rng.i32(-3..4).to_string(),
        "bigint" => rng.i64(..).to_string(),
        "smallint" => rng.i16(..).to_string(),
        "tinyint" => rng.i8(..).to_string(),
        "varint" => format!("{}{}", rng.i64(..), rng.u64(..)),
        "text" => text(rng),
        "ascii" => ["''", "'a'", "'b c'"][rng.usize(..3)].to_string(),
        "boolean" => rng.bool().to_string(),
        "double" | "float" => {
            ["-0.0", "1.5", "NaN", "Infinity", "1e10"][rng.usize(..5)].to_string()
        }
        "decimal" => ["0", "3.50", "3.5", "-1e20", "1e-30"][rng.usize(..5)].to_string(),
        "timestamp" => rng.i64(-10_000_000_000_000..10_000_000_000_000).to_string(),
        "uuid" => uuid::Uuid::from_u128(rng.u128(..)).to_string(),
        "blob" => ["0x", "0x00", "0xcafe"][rng.usize(..3)].to_string(),
        "inet" => ["'127.0.0.1'", "'::1'"][rng.usize(..2)].to_string(),
        "date" => rng.u32(..).to_string(),
        "time" => rng.i64(0..86_400_000_000_000).to_string(),
        "duration" => ["1mo2d3h", "-5s", "0s"][rng.usize(..3)].to_string(),
        "list<int>" => format!("[{}, {0}, {}]", rng.i32(0..9), rng.i32(0..9)),
        "set<text>" => format!("{{{}, 'x'}}", text(rng)),
        "map<text, int>" => format!("{{{}: {}, 'k': 2}}", text(rng), rng.i32(0..9)),
        "frozen<list<text>>" => ["[]", "['a', '']"][rng.usize(..2)].to_string(),
        "frozen<map<int, text>>" => ["{}", "{1: 'a', 2: ''}"][rng.usize(..2)].to_string(),
        _ => ["(1, 'a')", "(null, '')", "(2, null)"][rng.usize(..3)].to_string(),
    }
}

/// A table as it is made, and statements that fill it.
fn table(rng: &mut Rng, number: usize) -> (String, Vec<String>) {
    let plain = |rng: &mut Rng| PLAIN[rng.usize(..PLAIN.len())];
    let any = |rng: &mut Rng| match rng.bool() {
        true => PLAIN[rng.usize(..PLAIN.len())],
        false => OTHERS[rng.usize(..OTHERS.len())],
    };
    let clustered = rng.bool();
    let mut keys = vec![("p0".to_string(), plain(rng))];
    if rng.bool() {
        keys.push(("p1".to_string(), plain(rng)));
    }
    let partition = keys.len();
    if clustered {
        keys.push(("c0".to_string(), plain(rng)));
    }
    let regular: Vec<(String, &str)> = (0..rng.usize(0..6))
        .map(|at| (format!("v{at}"), any(rng)))
        .collect();
    let statics: Vec<(String, &str)> = match clustered {
        true => (0..rng.usize(0..3))
            .map(|at| (format!("s{at}"), any(rng)))
            .collect(),
        false => Vec::new(),
    };
    let mut text = format!("create table r{number} (");
    for (name, kind) in keys.iter().chain(&regular) {
        let _ = write!(text, "{name} {kind}, ");
    }
    for (name, kind) in &statics {
        let _ = write!(text, "{name} {kind} static, ");
    }
    let names: Vec<&str> = keys[..partition]
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let _ = write!(text, "primary key (({})", names.join(", "));
    for (name, _) in &keys[partition..] {
        let _ = write!(text, ", {name}");
    }
    text += "));";
    let mut statements = Vec::new();
    for _ in 0..STATEMENTS {
        let of_statics = !statics.is_empty() && rng.u8(..4) == 0;
        let (columns, own) = match of_statics {
            true => (&statics, &keys[..partition]),
            false => (&regular, &keys[..]),
        };
        let keyed: Vec<String> = own.iter().map(|(_, kind)| literal(rng, kind)).collect();
        // An empty key is none that Cassandra takes for a partition of one column.
        if partition == 1 && matches!(keyed[0].as_str(), "''" | "0x") {
            continue;
        }
        let chosen: Vec<&(String, &str)> = columns.iter().filter(|_| rng.bool()).collect();
        let time = rng.i64(1..1_000_000);
        let using = match rng.u8(..3) {
            0 => format!("using timestamp {time} and ttl {}", rng.u32(50_000..90_000)),
            _ => format!("using timestamp {time}"),
        };
        let wheres: Vec<String> = own
            .iter()
            .zip(&keyed)
            .map(|((name, _), value)| format!("{name} = {value}"))
            .collect();
        let wheres = wheres.join(" and ");
        match rng.u8(..8) {
            0 => statements.push(format!(
                "delete from r{number} using timestamp {time} where {wheres}"
            )),
            1..=3 if !chosen.is_empty() => {
                let sets: Vec<String> = chosen
                    .iter()
                    .map(|(name, kind)| {
                        let value = literal(rng, kind);
                        match kind.starts_with("list")
                            || kind.starts_with("set")
                            || kind.starts_with("map")
                        {
                            true => format!("{name} = {name} + {value}"),
                            false => format!("{name} = {value}"),
                        }
                    })
                    .collect();
                statements.push(format!(
                    "update r{number} {using} set {} where {wheres}",
                    sets.join(", ")
                ));
            }
            _ if of_statics && chosen.is_empty() => {}
            _ => {
                let names = own.iter().map(|(name, _)| name.clone());
                let names: Vec<String> = names
                    .chain(chosen.iter().map(|(name, _)| name.clone()))
                    .collect();
                let values = chosen.iter().map(|(_, kind)| literal(rng, kind));
                let values: Vec<String> = keyed.iter().cloned().chain(values).collect();
                statements.push(format!(
                    "insert into r{number} ({}) values ({}) {using}",
                    names.join(", "),
                    values.join(", ")
                ));
            }
        }
    }
    (text, statements)
}

#[test]
fn random_rows_of_random_tables_come_over_as_they_are() {
    if !available() {
        return;
    }
    let seed = std::env::var("KMIG_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("KMIG_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let source = Space::new(shared());
    let mut made = String::new();
    for number in 0..TABLES {
        let (text, statements) = table(&mut rng, number);
        source.cql(&text);
        source.cql(&statements.join(";\n"));
        made += &text;
        made.push('\n');
    }
    let target = target(shared(), &made);
    export(&source, &target, "ex");
    target.says("kmig import ex --yes", 0, &["Imported"]);
    same(&target, "ex", true);
    target.says("kmig verify ex", 0, &["are equal"]);
}
