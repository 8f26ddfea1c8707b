//! Rows at the ends of what a server takes: a second of life, and half a segment of its commit log.

use crate::imports::{export, target};
use crate::space::Space;
use crate::support::cassandra::{Cluster, Options, available, shared, turn};

#[test]
fn what_lives_for_a_second_is_never_made_immortal() {
    if !available() {
        return;
    }
    let table = "create table t (id int primary key, v text)";
    let source = Space::new(shared());
    source.cql(table);
    let target = target(shared(), &format!("{table};"));
    // Whenever the export and the import come by, some rows have a second left, or none.
    for life in 1..=30 {
        let rows: String = (0..10)
            .map(|n| {
                let id = life * 10 + n;
                format!("update t using ttl {life} set v = 'brief' where id = {id}; ")
            })
            .collect();
        source.cql(&format!("begin unlogged batch {rows} apply batch"));
    }
    export(&source, &target, "ex");
    let manifest = target.archive("ex").manifest;
    assert!(manifest.tables[0].rows.expiring > 0, "{manifest:?}");
    target.says("kmig import ex --marker t=none", 0, &["Imported"]);
    let immortal = "select ttl(v) from t";
    let ttls = target.cql(immortal);
    assert!(ttls.lines().all(|ttl| !ttl.is_empty()), "{ttls}");
    target
        .cluster
        .await_rows(&target.keyspace, "select id from t", "");
    target.says("kmig verify ex", 0, &["are equal"]);
}

#[test]
fn a_row_beyond_half_a_commit_log_segment_is_rejected_and_the_others_are_written() {
    if !available() {
        return;
    }
    let _turn = turn();
    let cluster = Cluster::start(Options {
        yaml: vec!["commitlog_segment_size: 8MiB".into()],
        heap: Some(768),
        ..Options::default()
    });
    let table = "create table t (p int, c int, a text, b text, primary key (p, c))";
    let source = Space::new(&cluster);
    source.cql(table);
    // Written in two halves: in one the source itself would not have taken the larger one.
    for (c, kib) in [(1, 1), (2, 3_584), (3, 4_608), (4, 1)] {
        let half = "x".repeat(kib * 512);
        for column in ["a", "b"] {
            source.cql(&format!(
                "update t using timestamp 9 set {column} = '{half}' where p = 1 and c = {c}"
            ));
        }
    }
    let target = target(&cluster, &format!("{table};"));
    export(&source, &target, "ex");
    target.says(
        "kmig import ex",
        1,
        &["Imported 1 file", "3 rows", "Rejected 1 row"],
    );
    assert_eq!(target.cql("select c from t where p = 1"), "1\n2\n4");
    let rejects = target.files("ex/rejects");
    assert_eq!(rejects.len(), 1, "one file of rejects");
    let text = String::from_utf8_lossy(&rejects[0].1);
    let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one line of JSON");
    assert_eq!(line["key"]["c"], "00000003", "{line}");
    let reason = line["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("mutation") || reason.contains("Mutation"),
        "{reason}"
    );
}
