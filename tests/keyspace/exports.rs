//! What an export holds, and how it is asked for.

use crate::compare::{held, same};
use crate::kinds::fill;
use crate::space::Space;
use crate::support::case::document;
use crate::support::cassandra::{self, Cluster, Options, Version, available, available_in, shared};
use crate::support::kmig::Output;
use kmig::backup::table::Part;
use std::fs;
use std::sync::OnceLock;

#[test]
fn every_type_is_exported_as_the_server_shows_it() {
    if !available() {
        return;
    }
    let space = Space::new(shared());
    fill(&space, true);
    let output = space.says("kmig export --to out", 0, &["cannot be kept"]);
    assert!(
        output
            .stderr
            .contains("counted: cannot be kept: counters are exact only"),
        "{output}"
    );
    let counts = same(&space, "out", true);
    let expected = [
        ("Odd Rows", 1),
        ("composed Rows", 7),
        ("counted Rows", 2),
        ("keys Rows", 2),
        ("marked Rows", 2),
        ("nothing Rows", 0),
        ("only_key Rows", 2),
        ("plain Rows", 11),
        ("statics Rows", 4),
        ("statics Statics", 3),
        ("vectors Rows", 2),
    ];
    let expected = expected.map(|(name, count)| (name.to_string(), count));
    assert_eq!(counts, expected.into());
    let manifest = space.archive("out").manifest;
    assert_eq!(manifest.keyspace, space.keyspace);
    assert_eq!(manifest.objects.len(), 1, "{:?}", manifest.objects);
    let schema = fs::read_to_string(space.folder("out/schema.cql")).expect("schema.cql");
    for text in [
        "CREATE KEYSPACE",
        "CREATE TYPE",
        "CREATE TABLE",
        "CREATE INDEX",
    ] {
        assert!(schema.contains(text), "{text}\n{schema}");
    }
    // Nothing is left of what stands in the place of the manifest.
    let names: Vec<String> = space
        .files("out")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let odd = |name: &&String| {
        !name.ends_with(".parquet") && *name != "manifest.json" && *name != "schema.cql"
    };
    assert_eq!(names.iter().find(odd), None);
}

/// One node of 4.1, for all tests of this process.
pub fn older() -> &'static Cluster {
    static OLDER: OnceLock<Cluster> = OnceLock::new();
    OLDER.get_or_init(|| {
        Cluster::start(Options {
            version: Version::V4_1,
            forgetful: true,
            ..Options::default()
        })
    })
}

#[test]
fn before_5_0_the_times_of_elements_are_chosen_first() {
    if !available_in(Version::V4_1) {
        return;
    }
    let space = Space::new(older());
    fill(&space, false);
    space.says(
        "kmig export --to out",
        7,
        &[
            "composed.l",
            "composed.m",
            "statics.sl",
            "--element-times row-max",
            "nothing was read",
        ],
    );
    assert!(!space.folder("out").exists());
    space.says(
        "kmig export --to out --element-times row-max",
        0,
        &["when each element of ad, l, la, m, ml, st was written"],
    );
    same(&space, "out", false);
    // The row of one write at 100: its frozen columns are the others.
    let archive = space.archive("out");
    let table = archive
        .manifest
        .tables
        .iter()
        .find(|table| table.outline.name == "composed");
    let rows = held(&archive, table.expect("the table"), Part::Rows);
    let times = |p: i32, column: &str| {
        let shape = archive.shape(table.expect("the table")).expect("a shape");
        let at = shape
            .columns
            .iter()
            .position(|own| own.name == column)
            .expect("a column");
        let row = &rows[&vec![Some(p.to_be_bytes().to_vec())]];
        row[at]
            .times
            .iter()
            .flatten()
            .map(|time| (time.write, time.expiry))
            .collect::<Vec<_>>()
    };
    assert_eq!(times(1, "m"), [(100, None); 3]);
    // No other cell at all.
    assert_eq!(times(5, "l"), [(1, None); 2]);
    space.says(
        "kmig export --to at --element-times 1970-01-01T00:00:01Z",
        0,
        &["1000000 µs"],
    );
    same(&space, "at", false);
    space.says(
        "kmig export --to at2 --element-times yesterday",
        2,
        &["neither row-max nor a time"],
    );
}

#[test]
fn kmigs_own_tables_are_never_exported_and_need_not_be_there() {
    if !available() {
        return;
    }
    let space = Space::with(
        shared(),
        &[
            ("kmig.toml", "[app]\nname = \"shop\"\nversion = \"1.2\""),
            (
                "migrations/core/001_base/up.cql",
                "CREATE TABLE t (p int PRIMARY KEY);",
            ),
        ],
    );
    space.says("kmig bootstrap", 0, &[]);
    space.cql("insert into t (p) values (1)");
    let output = space.says("kmig export --json", 0, &[]);
    let document = document("kmig export", &output);
    assert_eq!(document["sealed"], true);
    assert_eq!(document["rows"], 1);
    let [folder] = space.backups().try_into().expect("one folder");
    assert!(
        folder.starts_with(&format!("{}-2", space.keyspace)),
        "{folder}"
    );
    assert!(folder.ends_with('Z'), "{folder}");
    let manifest = space.archive(&format!("backups/{folder}")).manifest;
    let tables: Vec<&str> = manifest
        .tables
        .iter()
        .map(|table| table.outline.name.as_str())
        .collect();
    assert_eq!(tables, ["t"]);
    let app = manifest.source.app.expect("the application");
    assert_eq!(
        (app.name.as_deref(), app.version.as_deref()),
        (Some("shop"), Some("1.2"))
    );
    let schema = fs::read_to_string(space.folder(&format!("backups/{folder}/schema.cql")))
        .expect("schema.cql");
    assert!(!schema.contains("schema_meta"), "{schema}");
}

#[test]
fn shards_make_up_the_whole_and_the_seal_says_what_lacks() {
    if !available() {
        return;
    }
    let space = Space::new(shared());
    space.cql("create table t (p int, c int, s text static, primary key (p, c))");
    for p in 0..50 {
        space.cql(&format!("insert into t (p, c, s) values ({p}, 1, 'x')"));
    }
    space.says("kmig export --shard 0/3", 2, &["--to"]);
    space.says("kmig export --to out --shard 3/3", 2, &["from 0 to N-1"]);
    space.says(
        "kmig export --to out --seal",
        2,
        &["no export that was begun"],
    );
    let first = space.says(
        "kmig export --to out --shard 0/3",
        0,
        &["shard 0/3", "--seal"],
    );
    let third = space.says("kmig export --to out --shard 2/3", 0, &["shard 2/3"]);
    space.says(
        "kmig export --to out --shard 1/2",
        2,
        &["belongs to another export"],
    );
    space.says(
        "kmig export --to out --seal",
        1,
        &[
            "shard 1/3 was not begun here",
            "t: not exported yet are the tokens (-3074457345618258603, 3074457345618258602]",
        ],
    );
    assert!(!space.folder("out/manifest.json").exists());
    // Again is no harm.
    space.says(
        "kmig export --to out --shard 0/3",
        0,
        &["0 rows in this run"],
    );
    let second = space.says("kmig export --to out --shard 1/3", 0, &[]);
    space.says("kmig export --to out --seal", 0, &["50 rows of 1 table"]);
    // Static values belong to the rows of their partition.
    let rows = |output: &Output| -> u64 {
        let words: Vec<&str> = output.stdout.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "rows").expect("rows");
        words[at - 1].parse().expect("a count")
    };
    assert_eq!(rows(&first) + rows(&second) + rows(&third), 50);
    let parts = ["t Rows", "t Statics"].map(|part| (part.to_string(), 50));
    assert_eq!(same(&space, "out", true), parts.into());
    space.says("kmig export --to out", 2, &["is sealed"]);
}

#[test]
fn what_cannot_be_read_is_refused_until_it_is_left_out() {
    if !available() {
        return;
    }
    let space = Space::new(shared());
    space.cql("create table t (p int primary key, odd 'org.apache.cassandra.db.marshal.DynamicCompositeType(a=>org.apache.cassandra.db.marshal.BytesType)', v int)");
    space.cql("create table u (p int primary key)");
    space.cql("insert into t (p, v) values (1, 2)");
    space.says(
        "kmig export --to out",
        7,
        &["t.odd", "DynamicCompositeType", "--leave-out"],
    );
    space.says("kmig export --to out --leave-out t.odd", 2, &["--reason"]);
    space.says(
        "kmig export --to out --leave-out t.none --reason x",
        2,
        &["no such table or column"],
    );
    space.says(
        "kmig export --to out --leave-out t.p --reason x",
        2,
        &["part of the key"],
    );
    let line = "kmig export --to out --leave-out t.odd --leave-out u --reason 'never read'";
    space.says(
        &format!("{line} --dry-run"),
        0,
        &["Would export 1 table", "t.odd: left out: never read"],
    );
    assert!(!space.folder("out").exists());
    space.says(line, 0, &["left out: t.odd (never read)"]);
    assert_eq!(
        same(&space, "out", true),
        [("t Rows".to_string(), 1)].into()
    );
    let left = space.archive("out").manifest.left_out;
    assert_eq!(left.len(), 2);
}

#[test]
fn masked_columns_are_refused_without_the_right_to_see_them() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(Options {
        auth: true,
        forgetful: true,
        yaml: vec!["dynamic_data_masking_enabled: true".into()],
        ..Options::default()
    });
    let _turn = cassandra::turn();
    let space = Space::new(&cluster);
    space.cql(
        "create table t (p int primary key, secret text masked with mask_default(), open text)",
    );
    space.cql("insert into t (p, secret, open) values (1, 's', 'o')");
    space.cql("create role reader with password = 'reader' and login = true");
    let as_reader = |line: &str| {
        let url = cluster
            .url(&space.keyspace)
            .replace("cassandra:cassandra@", "reader:reader@");
        space.kmig(line).env("KMIG_URL", url).run()
    };
    let output = as_reader("kmig export --to out");
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stderr.contains("GRANT SELECT"), "{output}");
    space.cql(&format!(
        "grant select on keyspace {} to reader",
        space.keyspace
    ));
    let output = as_reader("kmig export --to out");
    assert_eq!(output.code, 7, "{output}");
    assert!(
        output.stderr.contains("t.secret") && output.stderr.contains("GRANT UNMASK"),
        "{output}"
    );
    let output = as_reader("kmig export --to left --leave-out t.secret --reason hidden");
    assert_eq!(output.code, 0, "{output}");
    space.cql(&format!(
        "grant unmask on keyspace {} to reader",
        space.keyspace
    ));
    let output = as_reader("kmig export --to out");
    assert_eq!(output.code, 0, "{output}");
    assert_eq!(
        same(&space, "out", true),
        [("t Rows".to_string(), 1)].into()
    );
}

#[test]
fn options_are_those_that_an_export_was_begun_with() {
    if !available() {
        return;
    }
    let space = Space::new(shared());
    space.cql("create table t (p uuid primary key, c timeuuid)");
    space.cql("insert into t (p, c) values (uuid(), now())");
    space.says("kmig export --to out --shard 0/2 --uuid bytes", 0, &[]);
    space.says(
        "kmig export --to out --shard 0/2 --uuid text",
        2,
        &["another --uuid"],
    );
    space.says("kmig export --to out --shard 1/2", 0, &[]);
    space.says(
        "kmig export --to out --seal",
        1,
        &["do not belong together", "the options"],
    );
    space.says("kmig export --to logical --uuid logical", 0, &[]);
    same(&space, "logical", true);
    space.says(
        "kmig export --to x --consistency MOST",
        2,
        &["MOST is no level"],
    );
    space.says("kmig export --to slow --max-rows 100000 --max-megabytes 100 --parallel 1 --consistency one", 0, &[]);
    same(&space, "slow", true);
}

#[test]
fn what_is_no_keyspace_of_cassandra_is_told() {
    let project = crate::support::kmig::project(&[("kmig.toml", "")]);
    let output = project
        .kmig(["export"])
        .env("KMIG_URL", "postgres://x@localhost/x")
        .run();
    assert_eq!(output.code, 2, "{output}");
    if !available() {
        return;
    }
    let output = project
        .kmig(["export"])
        .env("KMIG_URL", shared().url("nowhere"))
        .run();
    assert_eq!(output.code, 1, "{output}");
    assert!(
        output.stderr.contains("there is no keyspace nowhere"),
        "{output}"
    );
}
