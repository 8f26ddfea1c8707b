//! The tables that are moved, and the rows in them.

use futures_util::stream::{self, StreamExt};
use scylla::client::session::Session;
use std::sync::Arc;

/// A table of key `(p, c)`.
#[derive(Clone, Copy)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// How many rows of a million.
    pub share: usize,
    /// The columns beside the key, each with its type.
    pub columns: &'static [(&'static str, &'static str)],
    /// Rows of a page for who reads it: kmig's where rows are short, a megabyte of them where they are long.
    pub page: i32,
}

/// All of them.
pub const SETS: [Set; 4] = [
    Set {
        name: "narrow",
        share: 1_000_000,
        columns: &[
            ("a", "bigint"),
            ("b", "int"),
            ("d", "text"),
            ("e", "double"),
            ("f", "timestamp"),
            ("g", "uuid"),
        ],
        page: 1000,
    },
    Set {
        name: "wide",
        share: 200_000,
        columns: &[("a", "bigint"), ("d", "text")],
        page: 1000,
    },
    Set {
        name: "blobs",
        share: 2_000,
        columns: &[("v", "blob")],
        page: 16,
    },
    Set {
        name: "collections",
        share: 50_000,
        columns: &[
            ("l", "list<int>"),
            ("s", "set<text>"),
            ("m", "map<text, int>"),
        ],
        page: 1000,
    },
];

impl Set {
    /// Its rows where the first set has so many.
    pub fn rows(&self, of: usize) -> usize {
        (self.share as u64 * of as u64 / 1_000_000) as usize
    }

    /// CREATE TABLE.
    pub fn create(&self) -> String {
        let columns = self.columns.iter();
        let columns: Vec<String> = columns
            .map(|(name, kind)| format!("{name} {kind}"))
            .collect();
        format!(
            "create table {} (p int, c int, {}, primary key (p, c));",
            self.name,
            columns.join(", ")
        )
    }

    /// Fills the table: partitions of ten rows, but one for all of `wide`; a third expires, one of twenty has a second
    /// write time.
    pub async fn fill(&self, session: &Arc<Session>, keyspace: &str, rows: usize) {
        let name = self.name;
        let batch = if name == "blobs" { 1 } else { 10 };
        let texts = stream::iter(0..rows.div_ceil(batch)).map(|at| {
            let mut text = String::from("BEGIN UNLOGGED BATCH ");
            for row in at * batch..((at + 1) * batch).min(rows) {
                let (p, c) = match name {
                    "wide" => (0, row),
                    _ => (row / 10, row % 10),
                };
                text.push_str(&insert(keyspace, name, p, c, row));
            }
            text.push_str("APPLY BATCH");
            let session = session.clone();
            async move {
                session.query_unpaged(text, ()).await.expect("a batch");
            }
        });
        texts.buffer_unordered(64).collect::<Vec<()>>().await;
    }
}

fn insert(keyspace: &str, name: &str, p: usize, c: usize, row: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(row as u64);
    let word =
        |rng: &mut fastrand::Rng| -> String { (0..12).map(|_| rng.alphanumeric()).collect() };
    let (columns, values) = match name {
        "narrow" => (
            "a, b, d, e, f, g",
            format!(
                "{}, {row}, '{}', {}, {}, {}",
                rng.i64(..),
                word(&mut rng),
                rng.f64(),
                1_700_000_000_000 + row as i64,
                uuid::Uuid::from_u128(rng.u128(..))
            ),
        ),
        "wide" => (
            "a, d",
            format!("{row}, '{} {}'", word(&mut rng), word(&mut rng)),
        ),
        "blobs" => {
            let bytes: String = (0..65_536).map(|_| format!("{:02x}", rng.u8(..))).collect();
            ("v", format!("0x{bytes}"))
        }
        _ => (
            "l, s, m",
            format!(
                "[1, {row}, 3], {{'{}', '{}'}}, {{'x': {row}, 'y': 2}}",
                word(&mut rng),
                word(&mut rng)
            ),
        ),
    };
    // Writers of all times; what is told when is part of what is measured.
    let written = 1_700_000_000_000_000 + p as i64 * 1_000;
    // Long enough that nothing expires while it is measured.
    let ttl = match row.is_multiple_of(3) {
        true => " AND TTL 864000",
        false => "",
    };
    let mut text = format!(
        "INSERT INTO {keyspace}.{name} (p, c, {columns}) VALUES ({p}, {c}, {values}) USING TIMESTAMP {written}{ttl};"
    );
    if row.is_multiple_of(20) && name == "narrow" {
        let later = written + 500;
        text.push_str(&format!(
            "UPDATE {keyspace}.{name} USING TIMESTAMP {later} SET d = 'later' WHERE p = {p} AND c = {c};"
        ));
    }
    text
}
