//! What a comparison says of a keyspace that lacks what was deleted since an export.

use crate::imports::{export, target};
use crate::space::Space;
use crate::support::cassandra::{available, shared};

const TABLES: &str = "create type addr (street text, zip int);
    create table t (p int, c int, s text static, ss set<int> static, v text, w text, m map<text, int>, st set<int>, l list<int>, u addr, primary key (p, c));";

const ROWS: &str = "
    insert into t (p, c, v, w) values (1, 1, 'a row goes', 'a') using timestamp 11;
    insert into t (p, c, v, w) values (1, 2, 'a', 'a cell goes') using timestamp 12;
    update t using timestamp 13 set m = m + {'stays': 1, 'goes': 2} where p = 1 and c = 3;
    update t using timestamp 14 set st = st + {1, 2} where p = 1 and c = 4;
    update t using timestamp 15 set u.street = 's', u.zip = 1 where p = 1 and c = 5;
    update t using timestamp 16 set l = l + [1, 2] where p = 1 and c = 6;
    insert into t (p, c) values (1, 7) using timestamp 17;
    insert into t (p, c, v, w) values (1, 8, 'is written anew', 'there') using timestamp 18;
    update t using timestamp 19 set s = 'goes', ss = ss + {1, 2} where p = 2;
    update t using timestamp 20 set s = 'stays', ss = ss + {1, 2} where p = 3;
    insert into t (p, c, v) values (4, 1, 'stays') using timestamp 21;
    insert into t (p, c, v) values (1, 9, 'expires') using timestamp 22 and ttl 1";

const DELETIONS: [(&str, &str); 10] = [
    (
        "delete from t where p = 1 and c = 1",
        "t (p = 1, c = 1): it was deleted since, and is there",
    ),
    (
        "delete w from t where p = 1 and c = 2",
        "t (p = 1, c = 2): w: it is in the keyspace only",
    ),
    (
        "delete m['goes'] from t where p = 1 and c = 3",
        "t (p = 1, c = 3): m: 1 elements in the export, 2 in the keyspace",
    ),
    (
        "delete st[2] from t where p = 1 and c = 4",
        "t (p = 1, c = 4): st: 1 elements in the export, 2 in the keyspace",
    ),
    (
        "delete u.zip from t where p = 1 and c = 5",
        "t (p = 1, c = 5): u: 1 elements in the export, 2 in the keyspace",
    ),
    (
        "update t set l = [9] where p = 1 and c = 6",
        "t (p = 1, c = 6): l: 1 elements in the export, 2 in the keyspace",
    ),
    (
        "delete from t where p = 1 and c = 7",
        "t (p = 1, c = 7): it was deleted since, and is there",
    ),
    (
        "delete from t where p = 1 and c = 8",
        "t (p = 1, c = 8): it was deleted since, and is there",
    ),
    (
        "delete s, ss from t where p = 2",
        "t (p = 2): s: it was deleted since, and is there",
    ),
    (
        "delete ss[2] from t where p = 3",
        "t (p = 3): ss: 1 elements in the export, 2 in the keyspace",
    ),
];

#[test]
fn a_keyspace_that_lacks_a_deletion_is_named_by_a_comparison_with_what_changed_since() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source.cql(TABLES);
    source.cql(ROWS);
    let target = target(shared(), TABLES);
    export(&source, &target, "one");
    target.says("kmig import one", 0, &["Imported"]);
    for (statement, _) in DELETIONS {
        source.cql(statement);
    }
    // The new application writes over a cell of a row that goes.
    target.cql("insert into t (p, c, v) values (1, 8, 'newer')");
    let (one, two) = (target.folder("one"), target.folder("two"));
    let line = format!(
        "kmig export --since '{}' --to '{}'",
        one.display(),
        two.display()
    );
    source.says(&line, 0, &["Exported"]);
    // Nothing of it was imported: each deletion is named, one row once.
    let mut told: Vec<&str> = DELETIONS.iter().map(|(_, told)| *told).collect();
    told.push("differ in 10 rows of 10; 12 deletions looked up");
    target.says("kmig verify two", 1, &told);
    target.says("kmig import two --yes", 0, &["12 deletions since"]);
    let json = target.says("kmig verify two --json", 0, &["\"deleted\": 12"]);
    assert!(
        json.stdout.contains("\"verdict\": \"no difference\""),
        "{json}"
    );
    target.says(
        "kmig verify two",
        0,
        &["no difference in 5 rows", "1 row is newer"],
    );
    // And each that comes back afterwards is.
    target.cql("insert into t (p, c, v) values (1, 1, 'back') using timestamp 11; insert into t (p, c) values (1, 7)");
    let back = [
        "differ in 1 row",
        "t (p = 1, c = 7): it was deleted since, and is there",
    ];
    target.says("kmig verify two", 1, &back);
    // A damaged list of deletions is no word on them.
    let files = target.files("two");
    let (path, bytes) = files
        .iter()
        .find(|(name, _)| name.ends_with(".deleted.jsonl"))
        .expect("deletions");
    std::fs::write(two.join(path), &bytes[1..]).expect("damage it");
    target.says("kmig verify two", 1, &["Not compared", path]);
}
