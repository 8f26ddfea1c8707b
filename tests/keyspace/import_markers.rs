//! Row markers of an import: what each policy comes to, and that a resumed import keeps to one.

use crate::imports::{export, target};
use crate::space::Space;
use crate::support::cassandra::{available, shared};

const TABLE: &str = "create table t (id int primary key, v text)";

/// A row that INSERT made, and one that UPDATE made, in the two halves of the ring.
fn pair(source: &Space<'_>) {
    source.cql(TABLE);
    source.cql(
        "insert into t (id, v) values (1, 'by insert') using timestamp 5;
         update t using timestamp 6 set v = 'by update' where id = 3",
    );
}

#[test]
fn a_policy_decides_which_rows_outlive_their_last_cell() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    pair(&source);
    for (policy, left) in [("none", ""), ("insert", "1|\n3|")] {
        let target = target(shared(), &format!("{TABLE};"));
        export(&source, &target, "ex");
        target.says(
            &format!("kmig import ex --marker t={policy}"),
            0,
            &[
                &format!("row markers of t: {policy}, since you said so"),
                "2 rows",
            ],
        );
        target.says("kmig verify ex", 0, &["are equal"]);
        target.cql("delete v from t where id = 1; delete v from t where id = 3");
        assert_eq!(target.cql("select id, v from t"), left, "{policy}");
    }
}

#[test]
fn rows_without_cells_are_evidence_of_insert() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    pair(&source);
    source.cql("insert into t (id) values (2)");
    let update = format!("update {}.t set v = ? where id = ?", source.keyspace);
    shared().client(1, "app").prepare(&update).expect("prepare");
    let target = target(shared(), &format!("{TABLE};"));
    export(&source, &target, "ex");
    target.says(
        "kmig import ex",
        0,
        &["row markers of t: insert, since it has rows without cells"],
    );
}

#[test]
fn a_resumed_import_writes_markers_as_it_began_to() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    pair(&source);
    let mut app = shared().client(1, "app");
    let update = format!("update {}.t set v = ? where id = ?", source.keyspace);
    app.prepare(&update).expect("prepare");
    let target = target(shared(), &format!("{TABLE};"));
    let to = target.folder("ex");
    for line in ["--shard 0/2", "--shard 1/2", "--seal"] {
        source.says(
            &format!("kmig export --to '{}' {line}", to.display()),
            0,
            &[],
        );
    }
    let prepared = "row markers of t: none, since the source's nodes hold prepared UPDATEs of it and no INSERT";
    target.says(
        "kmig import ex --shard 0/2",
        0,
        &[prepared, "Imported 1 file"],
    );
    // What tells how rows are made is another thing by now; the other half is written as the first all the same.
    let insert = format!("insert into {}.t (id, v) values (?, ?)", source.keyspace);
    app.prepare(&insert).expect("prepare");
    target.says(
        "kmig import ex",
        0,
        &[
            "row markers of t: none, since an earlier run of an import has written it so",
            "1 file had been imported before",
        ],
    );
    target.says("kmig verify ex", 0, &["are equal"]);
    target.cql("delete v from t where id = 1; delete v from t where id = 3");
    assert_eq!(target.cql("select id, v from t"), "");
    // Only a person changes it, and is told what that means.
    let told = [
        "row markers of t: insert, since you said so",
        "were written as none by an earlier run: all of its files are imported anew as insert",
        "2 rows",
    ];
    target.says("kmig import ex --marker t=insert", 0, &told);
    let back = [
        "were written as insert by an earlier run",
        "the markers that are there stay",
    ];
    target.says("kmig import ex --marker t=none", 0, &back);
}
