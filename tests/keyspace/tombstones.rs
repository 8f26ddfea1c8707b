//! Tombstones that replicas cannot read at once, while keyspaces are compared.

use crate::export_faults::{by_proxy, rows, stage};
use crate::space::Space;
use crate::support::case::expect;

const TABLE: &str = "create table t (p int, c int, v int, primary key (p, c))";

/// Partitions, and the rows that each had.
const PARTITIONS: i32 = 60;
const DELETED: i32 = 50;

/// Deletes all rows of a partition, each by itself, but for those from `from` on.
fn delete(space: &Space<'_>, p: &str, from: i32) {
    let deletes: Vec<String> = (from..DELETED)
        .map(|c| format!("delete from t using timestamp 20 where p = {p} and c = {c};"))
        .collect();
    space.cql(&format!(
        "begin unlogged batch {} apply batch",
        deletes.concat()
    ));
}

/// Partitions in the order of their tokens: the first with a few rows, the last with one, and between them more tombstones than
/// a query may read.
fn fill(space: &Space<'_>) -> (String, String) {
    space.cql(TABLE);
    for p in 0..PARTITIONS {
        space.cql(&format!(
            "insert into t (p, c, v) values ({p}, 0, 1) using timestamp 10"
        ));
    }
    let listed = space.cql("select distinct p from t");
    let order: Vec<String> = listed.lines().map(str::to_string).collect();
    assert_eq!(order.len(), PARTITIONS as usize);
    let (first, others) = order.split_first().expect("a partition");
    let (last, between) = others.split_last().expect("a partition");
    for p in between {
        delete(space, p, 0);
    }
    let number: i32 = first.parse().expect("a number");
    rows(space, "t", number, 1..15, &|c| c.to_string());
    delete(space, first, 15);
    (first.clone(), last.clone())
}

#[test]
fn a_range_that_replicas_cannot_read_at_once_is_compared_in_pieces_and_each_row_once() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    let (first, last) = fill(&space);
    space.says(
        "kmig export --to out",
        0,
        &["cannot read", "pieces", "16 rows"],
    );
    // Some rows are handed over before the server gives up.
    stage.proxy.count_anew();
    let output = by_proxy(stage, &space, "kmig verify out").run();
    expect("a folder", output, 0, &["are equal: 16 rows."]);
    let other = Space::new(&stage.cluster);
    other.cql(TABLE);
    other.cql(&format!(
        "insert into t (p, c, v) values ({last}, 0, 1) using timestamp 10"
    ));
    let line = format!(
        "kmig verify --source '{}'",
        stage.cluster.url(&other.keyspace)
    );
    let told = [
        "differ in 15 rows of 16",
        &format!("(p = {first}, c = 0): it is not in {}", other.keyspace),
    ];
    space.says(&line, 1, &told);
    // A difference behind all tombstones is found.
    space.cql(&format!(
        "update t using timestamp 30 set v = 2 where p = {last} and c = 0"
    ));
    let differs = format!("t (p = {last}, c = 0): v: the values differ");
    space.says("kmig verify out", 1, &["differ in 1 row of 16", &differs]);
}

#[test]
fn a_partition_that_replicas_cannot_read_is_named_and_nothing_is_called_equal() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    space.cql(TABLE);
    rows(&space, "t", 7, 0..10, &|c| c.to_string());
    space.says("kmig export --to out", 0, &["10 rows"]);
    // Behind its rows stand more tombstones than a query may read.
    for block in 0..24 {
        let deletes: Vec<String> = (0..50)
            .map(|c| {
                format!(
                    "delete from t where p = 7 and c = {};",
                    100 + 50 * block + c
                )
            })
            .collect();
        space.cql(&format!(
            "begin unlogged batch {} apply batch",
            deletes.concat()
        ));
    }
    let output = space.says(
        "kmig verify out",
        1,
        &[
            "the partition with the token",
            "t cannot be read",
            "nothing was written",
            "tombstone_failure_threshold",
        ],
    );
    assert!(!output.to_string().contains("equal"), "{output}");
}
