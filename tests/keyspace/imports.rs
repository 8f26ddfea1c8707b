//! What an import makes of an export, and what proves that both are equal.

use crate::compare::same;
use crate::exports::older;
use crate::kinds::{fill, tables as kinds};
use crate::space::Space;
use crate::support::case::{document, expect};
use crate::support::cassandra::{Cluster, Options, Version, available, available_in, shared};
use crate::tables;
use std::fs;

/// A keyspace that kmig bootstrapped with these tables.
pub fn target<'a>(cluster: &'a Cluster, tables: &str) -> Space<'a> {
    let files = [
        ("kmig.toml", ""),
        ("migrations/core/001_base/up.cql", tables),
    ];
    let space = Space::with(cluster, &files);
    space.says("kmig bootstrap", 0, &["Bootstrapped"]);
    space
}

/// Exports a keyspace into a folder of another one's project.
pub fn export(source: &Space<'_>, target: &Space<'_>, folder: &str) {
    let to = target.folder(folder);
    source.says(
        &format!("kmig export --to '{}'", to.display()),
        0,
        &["Exported"],
    );
}

/// Kills an import with `kill -9` again and again, each time once table `t` has so many rows; how often it had not ended by
/// itself before.
pub fn killed_at(keyspace: &Space<'_>, line: &str, rows: impl IntoIterator<Item = usize>) -> usize {
    let mut killed = 0;
    for wanted in rows {
        let mut running = keyspace.kmig(line).start();
        // How far it is, is told by the rows.
        while !running.has_ended() {
            let there = keyspace.cql("select count(*) from t");
            if there.parse::<usize>().expect("a count") >= wanted {
                break;
            }
        }
        let ended = running.has_ended();
        let output = running.kill();
        if ended {
            assert_eq!(output.code, 0, "{output}");
            break;
        }
        killed += 1;
    }
    killed
}

/// A keyspace with one table and some rows, exported, and an empty keyspace with another table.
fn pair<'a>(cluster: &'a Cluster, from: &str, rows: &str, to: &str) -> Space<'a> {
    let source = Space::new(cluster);
    source.cql(from);
    source.cql(rows);
    let target = target(cluster, to);
    export(&source, &target, "ex");
    target
}

#[test]
fn every_type_comes_over_with_its_times() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    fill(&source, true);
    let target = target(shared(), &kinds(true));
    export(&source, &target, "ex");
    target.says("kmig import ex", 2, &["counted hold counters", "--yes"]);
    target.says("kmig import ex --yes", 0, &["33 rows", "kmig verify"]);
    // Asked past kmig.
    let counts = same(&target, "ex", true);
    assert_eq!(counts["composed Rows"], 7, "{counts:?}");
    target.says("kmig verify ex", 0, &["are equal"]);
    // Once more, and nothing is done.
    let again = target.says(
        "kmig import ex --yes",
        0,
        &["0 rows", "had been imported before"],
    );
    assert!(!again.stderr.contains("Go on?"), "{again}");
    same(&target, "ex", true);
}

#[test]
fn before_5_0_every_type_comes_over_by_the_chosen_times() {
    if !available_in(Version::V4_1) {
        return;
    }
    let source = Space::new(older());
    fill(&source, false);
    let target = target(older(), &kinds(false));
    let to = target.folder("ex");
    let line = format!(
        "kmig export --to '{}' --element-times row-max",
        to.display()
    );
    source.says(&line, 0, &["Exported"]);
    target.says("kmig import ex --yes", 0, &["31 rows"]);
    same(&target, "ex", false);
    target.says("kmig verify ex", 0, &["are equal", "were not compared"]);
}

#[test]
fn below_cql_both_hold_the_same_cells_and_no_new_tombstone() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(Options {
        nodetool: true,
        ..Options::default()
    });
    let source = Space::new(&cluster);
    fill(&source, true);
    // sstabledump ends at an empty boolean.
    source.cql("delete from plain where p = 1 and c = 'empty'");
    let target = target(&cluster, &kinds(true));
    export(&source, &target, "ex");
    target.says("kmig import ex --yes", 0, &["Imported"]);
    let names = [
        "composed", "keys", "marked", "only_key", "plain", "statics", "vectors",
    ];
    let old = cluster.dump(1, &source.keyspace, &names);
    let new = cluster.dump(1, &target.keyspace, &names);
    let mut rows = 0;
    for ((name, old), new) in names.iter().zip(&old).zip(&new) {
        let (mut old, _) = tables::cells(old);
        let (new, deletions) = tables::cells(new);
        assert_eq!(deletions, 0, "{name} has tombstones");
        // Rows that the source deleted are there without cells.
        old.retain(|key, cells| new.contains_key(key) || !cells.is_empty());
        tables::same(name, &old, &new);
        rows += new.len();
    }
    assert!(rows >= 28, "{rows}");
}

#[test]
fn a_mapping_renames_casts_fills_and_drops() {
    if !available() {
        return;
    }
    let target = pair(
        shared(),
        "create table users (id int, at timestamp, name text, age int, nick text, tags list<text>, primary key (id, at))",
        "insert into users (id, at, name, age, nick, tags) values (1, 5, 'a', 30, 'n', ['x', 'y']) using timestamp 9;
         update users using timestamp 12 and ttl 70000 set age = 31 where id = 1 and at = 5;
         insert into users (id, at, name) values (2, 6, 'b') using timestamp 7",
        "create table accounts (tenant text, at bigint, id text, full_name text, age varint, tags set<text>, born date,
         primary key ((tenant, id), at));",
    );
    let told = target.says(
        "kmig import ex",
        7,
        &[
            "the keyspace has no table users for users",
            "nothing was written",
        ],
    );
    assert!(told.stdout.is_empty(), "{told}");
    target.project.write(
        "mapping.toml",
        "[users]\nto = \"accounts\"\nrename = { name = \"full_name\" }\nconstant = { tenant = \"acme\" }\n",
    );
    target.says(
        "kmig import ex --mapping mapping.toml",
        7,
        &[
            "mapping.toml:1:2",
            "users.nick is neither mapped nor dropped",
            "users.id is int, and accounts.id is text",
            "users.at is timestamp, and accounts.at is bigint",
            "users.age is int, and accounts.age is varint",
            "users.tags is list<text>, and accounts.tags is set<text>",
        ],
    );
    target.project.write(
        "mapping.toml",
        "[users]\nto = \"accounts\"\nrename = { name = \"full_name\" }\nconstant = { tenant = \"acme\" }\n\
         cast = { id = \"text\", at = \"bigint\", age = \"varint\", tags = \"set<text>\" }\ndrop = { nick = \"unused\" }\n",
    );
    target.says(
        "kmig import ex --mapping mapping.toml --dry-run",
        0,
        &["of 2 rows, 0 rows would be rejected", "nothing was written"],
    );
    assert_eq!(target.cql("select * from accounts"), "");
    target.says(
        "kmig import ex --mapping mapping.toml",
        0,
        &["users.nick is not imported: unused", "2 rows"],
    );
    let shown = "select tenant, id, at, full_name, writetime(full_name), age, writetime(age), tags from accounts where tenant = 'acme' and id = '1'";
    assert!(
        target.cql(shown).starts_with("acme|1|5|a|9|"),
        "{}",
        target.cql(shown)
    );
    let times = target.cql(
        "select writetime(age), writetime(tags) from accounts where tenant = 'acme' and id = '1'",
    );
    assert!(times.starts_with("12|"), "{times}");
    target.says(
        "kmig verify ex --mapping mapping.toml",
        0,
        &["has every row of", "2 rows", "were not looked for"],
    );
    target.cql("update accounts using timestamp 8 set full_name = 'c' where tenant = 'acme' and id = '2' and at = 6");
    target.says(
        "kmig verify ex --mapping mapping.toml",
        1,
        &["accounts (tenant = 'acme', id = '2', at = 6): full_name: the values differ"],
    );
}

#[test]
fn what_does_not_convert_is_rejected_with_its_reason() {
    if !available() {
        return;
    }
    let target = pair(
        shared(),
        "create table t (id int primary key, v text, w int)",
        "insert into t (id, v, w) values (1, '7', 1); insert into t (id, v, w) values (2, 'seven', 2);
         insert into t (id, v, w) values (3, '9', 3)",
        "create table t (id int primary key, v int, w int);",
    );
    target
        .project
        .write("mapping.toml", "[t]\ncast = { v = \"int\" }\n");
    let line = "kmig import ex --mapping mapping.toml";
    target.says(
        &format!("{line} --dry-run"),
        1,
        &["1 row would be rejected", "it is no whole number"],
    );
    let output = target.says(&format!("{line} --json"), 1, &[]);
    let told = document(line, &output);
    assert_eq!(
        (&told["rejected"], &told["rows"]),
        (&1.into(), &2.into()),
        "{told}"
    );
    let rejects = target.files("ex/rejects");
    let (_, text) = &rejects[0];
    let text = String::from_utf8_lossy(text);
    assert!(
        text.contains("it is no whole number") && text.contains("736576656e"),
        "{text}"
    );
    assert_eq!(target.cql("select id, v from t"), "1|7\n3|9");
    target.says(
        &format!("{line} --max-rejects 0"),
        1,
        &["more than 0 rows do not fit"],
    );
    // The mapping is mended: all of it comes over.
    target
        .project
        .write("mapping.toml", "[t]\ndrop = { v = \"no numbers\" }\n");
    target.says(line, 0, &["3 rows"]);
    assert!(target.files("ex/rejects").is_empty());
    assert_eq!(target.cql("select id, w from t"), "1|1\n2|2\n3|3");
}

#[test]
fn what_would_be_lost_is_refused_before_the_first_row() {
    if !available() {
        return;
    }
    let table = "create table t (id int primary key, v text)";
    let rows = "insert into t (id, v) values (1, 'a') using timestamp 5";
    let again = pair(
        shared(),
        table,
        rows,
        "create table t (id int primary key, v text);",
    );
    again.cql("alter table t drop v; alter table t add v text");
    again.says(
        "kmig import ex",
        7,
        &[
            "t.v was dropped once and added again",
            "invisible",
            "nothing was written",
        ],
    );
    assert_eq!(again.cql("select id from t"), "");
    let fresh = Space::new(shared());
    let folder = again.folder("ex");
    fresh.says(
        &format!("kmig import '{}'", folder.display()),
        3,
        &["kmig bootstrap"],
    );
    let full = target(shared(), "create table t (id int primary key, v text);");
    full.cql("insert into t (id, v) values (9, 'there')");
    let line = format!("kmig import '{}'", folder.display());
    full.says(&line, 2, &["t of", "not empty", "--yes"]);
    full.says(&format!("{line} --yes"), 0, &["1 row"]);
    full.says(
        &format!("kmig verify '{}'", folder.display()),
        0,
        &["no difference in 1 row", "1 row is newer"],
    );
}

#[test]
fn what_expires_meanwhile_is_gone_and_what_is_for_ever_stays() {
    if !available() {
        return;
    }
    // Long enough that the export is there before anything expires, however busy the machine.
    let target = pair(
        shared(),
        "create table t (id int primary key, v text, w text)",
        "insert into t (id, v) values (1, 'short') using ttl 12;
         insert into t (id, v) values (2, 'for ever');
         insert into t (id, v) values (3, 'mixed'); update t using ttl 12 set w = 'short' where id = 3;
         insert into t (id, v) values (4, 'long') using ttl 90000",
        "create table t (id int primary key, v text, w text) with default_time_to_live = 60;",
    );
    let passed = "select ttl(v) from t where id = 1";
    let clock = Space::new(shared());
    clock.cql("create table t (id int primary key, v text); insert into t (id, v) values (1, 'x') using ttl 13");
    clock.cluster.await_rows(&clock.keyspace, passed, "");
    target.says(
        "kmig import ex",
        0,
        &["2 cells had expired", "default_time_to_live"],
    );
    assert_eq!(
        target.cql("select id, v, w from t"),
        "2|for ever|\n4|long|\n3|mixed|"
    );
    assert_eq!(target.cql("select ttl(v) from t where id = 2"), "");
    target.says("kmig verify ex", 0, &["are equal: 3 rows; 1 row expired"]);
}

#[test]
fn rights_and_objects_of_the_old_keyspace_are_named() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(Options {
        auth: true,
        ..Options::default()
    });
    let source = Space::new(&cluster);
    source.cql("create table t (id int primary key, v text); create index v_index on t (v); create role app");
    source.cql("insert into t (id, v) values (1, 'a')");
    source.cql(&format!(
        "grant select on keyspace {0} to app; grant modify on table {0}.t to app",
        source.keyspace
    ));
    let target = target(&cluster, "create table t (id int primary key, v text);");
    export(&source, &target, "ex");
    target.says(
        "kmig import ex",
        0,
        &["index v_index on t", "GRANT SELECT ON KEYSPACE", "--grants"],
    );
    target.says("kmig import ex --grants", 0, &["Granted:"]);
    let held = cluster.run("", "list all permissions of app");
    assert!(
        held.contains(&format!("<table {}.t>", target.keyspace)),
        "{held}"
    );
    let silent = target.says("kmig import ex", 0, &[]);
    assert!(!silent.stdout.contains("GRANT"), "{silent}");
}

#[test]
fn values_beyond_a_guardrail_are_told_of_and_rejected() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source.cql("create table t (id int primary key, v text)");
    for (id, length) in [(1, 10), (2, 2000), (3, 10)] {
        let value = "x".repeat(length);
        source.cql(&format!("insert into t (id, v) values ({id}, '{value}')"));
    }
    // Whom it binds: superusers it does not, nor anybody where nobody logs in.
    let cluster = Cluster::start(Options {
        auth: true,
        yaml: vec!["column_value_size_fail_threshold: 1KiB".to_string()],
        ..Options::default()
    });
    let target = target(&cluster, "create table t (id int primary key, v text);");
    export(&source, &target, "ex");
    for right in [
        "create role app with password = 'app' and login = true".to_string(),
        "grant select on keyspace system_views to app".to_string(),
        format!("grant select on keyspace {} to app", target.keyspace),
        format!("grant modify on keyspace {} to app", target.keyspace),
    ] {
        cluster.run("", &right);
    }
    let url = cluster
        .url(&target.keyspace)
        .replace("cassandra:cassandra@", "app:app@");
    let output = target.kmig("kmig import ex").env("KMIG_URL", url).run();
    let told = ["column_value_size_fail_threshold is 1KiB", "1 row"];
    expect("beyond a guardrail", output, 1, &told);
    let reject = target
        .files("ex")
        .into_iter()
        .find(|(name, _)| name.starts_with("rejects"));
    assert!(reject.is_some(), "it is kept");
    assert_eq!(target.cql("select id from t"), "1\n3");
}

#[test]
fn guardrails_that_forbid_write_times_are_refused() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source
        .cql("create table t (id int primary key, v text); insert into t (id, v) values (1, 'a')");
    let cluster = Cluster::start(Options {
        yaml: vec!["user_timestamps_enabled: false".to_string()],
        ..Options::default()
    });
    let target = target(&cluster, "create table t (id int primary key, v text);");
    export(&source, &target, "ex");
    target.says("kmig import ex", 7, &["user_timestamps_enabled is false"]);
    assert_eq!(target.cql("select id from t"), "");
    assert!(fs::exists(target.folder("ex/manifest.json")).expect("the folder"));
}

#[test]
fn a_second_pass_brings_what_changed_and_takes_away_what_is_gone() {
    if !available() {
        return;
    }
    let tables = "create type addr (street text, zip int);
        create table t (p int, c int, s text static, v text, w text, m map<text, int>, st set<int>, l list<int>, u addr, primary key (p, c));
        create table n (id int primary key, c counter);";
    let source = Space::new(shared());
    source.cql(tables);
    source.cql(
        "insert into t (p, c, v, w) values (1, 1, 'same', 'same') using timestamp 10;
         insert into t (p, c, v, w) values (1, 2, 'gone', 'gone') using timestamp 11;
         insert into t (p, c, v, w) values (1, 3, 'a', 'one cell goes') using timestamp 12;
         update t using timestamp 13 set m = m + {'stays': 1, 'goes': 2}, st = st + {1, 2}, u.street = 's', u.zip = 1 where p = 1 and c = 3;
         update t using timestamp 14 set l = l + [1, 2] where p = 1 and c = 4;
         update t using timestamp 15 set l = l + [1, 2] where p = 1 and c = 5;
         update t using timestamp 16 set s = 'static' where p = 2;
         insert into t (p, c, v) values (3, 1, 'made again') using timestamp 17;
         update n set c = c + 1 where id = 1",
    );
    let target = target(shared(), tables);
    export(&source, &target, "one");
    target.says("kmig import one --yes", 0, &["Imported"]);
    // The new application writes a newer row over one that goes.
    target.cql("insert into t (p, c, v) values (1, 2, 'newer')");
    source.cql(
        "delete from t where p = 1 and c = 2;
         delete v from t where p = 1 and c = 3; delete m['goes'] from t where p = 1 and c = 3; delete st[2] from t where p = 1 and c = 3;
         delete u.zip from t where p = 1 and c = 3;
         update t set l = l + [3] where p = 1 and c = 4;
         update t set l = [9] where p = 1 and c = 5;
         delete s from t where p = 2;
         delete from t where p = 3 and c = 1;
         insert into t (p, c, w) values (3, 1, 'with other columns');
         insert into t (p, c, v) values (4, 1, 'new');
         update n set c = c + 1 where id = 1",
    );
    let (from, to) = (target.folder("one"), target.folder("two"));
    let line = format!(
        "kmig export --since '{}' --to '{}'",
        from.display(),
        to.display()
    );
    source.says(&line, 0, &["counters are copied once"]);
    let manifest = target.archive("two").manifest;
    let rows: u64 = manifest.tables.iter().map(|table| table.rows.rows).sum();
    assert_eq!(rows, 5, "{manifest:?}");
    target.says("kmig import two --yes", 0, &["5 rows; 8 deletions since"]);
    let all = "select p, c, s, v, w, m, st, l, u from t";
    let without = |rows: String| {
        let kept = rows.lines().filter(|row| !row.starts_with("1|2|"));
        kept.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(without(target.cql(all)), without(source.cql(all)));
    assert_eq!(
        target.cql("select v, w from t where p = 1 and c = 2"),
        "newer|"
    );
    // A third pass adds to the second: a row that came and went in between goes.
    source
        .cql("delete from t where p = 4 and c = 1; insert into t (p, c, v) values (5, 1, 'last')");
    let three = target.folder("three");
    let line = format!(
        "kmig export --since '{}' --to '{}'",
        to.display(),
        three.display()
    );
    source.says(&line, 0, &["Exported"]);
    target.says("kmig import three --yes", 0, &["1 row; 1 deletion since"]);
    assert_eq!(without(target.cql(all)), without(source.cql(all)));
    // All that is there is there with its times, but for what the new application wrote, and counters.
    export(&source, &target, "whole");
    target.says(
        "kmig verify whole",
        1,
        &[
            "differ in 2 rows of",
            "n (id = 1): c: the values differ",
            "t (p = 1, c = 2): it is not in the export",
        ],
    );
}
