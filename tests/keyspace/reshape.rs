//! An export that DuckDB and Spark reshape on its way, as docs/reshape.md shows it, and what is refused of such files.

use crate::compare::same;
use crate::imports::{export, killed_at, target};
use crate::readers::python;
use crate::space::Space;
use crate::support::cassandra::{available, shared};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const OLD: &str = include_str!("../../demo/reshape/old.cql");
const NEW: &str = include_str!("../../demo/reshape/new.cql");

const ROWS: &str = "
    insert into customers (id, name) values (1, 'Ann') using timestamp 1700000000000001;
    insert into customers (id, name) values (2, 'Bob') using timestamp 1700000000000002 and ttl 80000;
    insert into customers (id, name) values (3, 'Cat') using timestamp 1700000000000003;
    insert into orders (id, customer, placed, state, note) values (00000000-0000-0000-0000-000000000001, 1, '2026-01-01T10:00:00.123Z', 'sent', 'ring twice')
        using timestamp 1700000000000011;
    update orders using timestamp 1700000000000012 set tags = tags + {'a'} where id = 00000000-0000-0000-0000-000000000001;
    update orders using timestamp 1700000000000013 and ttl 70000 set tags = tags + {'b'} where id = 00000000-0000-0000-0000-000000000001;
    insert into orders (id, customer, placed, state) values (00000000-0000-0000-0000-000000000002, 2, '1969-12-31T23:59:59.999Z', 'new')
        using timestamp 1700000000000021 and ttl 90000;
    update orders using timestamp 1700000000000022 set note = 'fragile' where id = 00000000-0000-0000-0000-000000000002;
    insert into orders (id, customer, placed, state) values (00000000-0000-0000-0000-000000000003, 1, '2026-01-02T10:00:00Z', 'open')
        using timestamp 1700000000000031;
    update orders using timestamp 1700000000000032 and ttl 60000 set state = 'held' where id = 00000000-0000-0000-0000-000000000003;
    insert into orders (id, customer, placed, state) values (00000000-0000-0000-0000-000000000004, 9, '2026-01-03T10:00:00Z', 'lost')
        using timestamp 1700000000000041;
    insert into orders (id, placed, state) values (00000000-0000-0000-0000-000000000005, '2026-01-04T10:00:00Z', 'odd')
        using timestamp 1700000000000051;
    insert into orders (id, customer, placed, state) values (00000000-0000-0000-0000-000000000006, 3, '2026-01-05T10:00:00Z', 'soon')
        using timestamp 1700000000000061 and ttl 50000";

/// What a script of the demo is run by, in the folder of a project.
fn engine(space: &Space<'_>, python: &str, words: &[&str]) {
    let output = Command::new(python)
        .args(words)
        .current_dir(space.project.path())
        // A zone in which local times are no UTC.
        .env("TZ", "America/New_York")
        .output()
        .expect("run python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

const DUCKDB: &str = "import duckdb, sys; duckdb.connect().execute(sys.argv[1])";

/// Runs SQL in DuckDB.
fn duckdb(space: &Space<'_>, python: &str, sql: &str) {
    engine(space, python, &["-c", DUCKDB, sql]);
}

/// A cell: its value, its write time, and the second at which it is gone.
type Held = (Vec<u8>, i64, Option<i64>);

/// A column's cells by a key, as the server shows them.
fn cells(space: &Space<'_>, table: &str, key: &str, column: &str) -> BTreeMap<Vec<u8>, Held> {
    let number = |bytes: &[u8]| match bytes.len() {
        4 => i64::from(i32::from_be_bytes(bytes.try_into().expect("four bytes"))),
        _ => i64::from_be_bytes(bytes.try_into().expect("eight bytes")),
    };
    let query = format!(
        "select {key}, {column}, writetime({column}), ttl({column}), toUnixTimestamp(now()) from {}.{table}",
        space.keyspace
    );
    let mut cells = BTreeMap::new();
    for row in space.cluster.raw(&query) {
        let [Some(key), value, write, ttl, Some(now)] = &row[..] else {
            panic!("{row:?}");
        };
        if let (Some(value), Some(write)) = (value, write) {
            let expiry = ttl.as_deref().map(|ttl| number(now) / 1_000 + number(ttl));
            cells.insert(key.clone(), (value.clone(), number(write), expiry));
        }
    }
    cells
}

/// Fails where cells differ; expiries may by two seconds.
fn alike(one: &BTreeMap<Vec<u8>, Held>, other: &BTreeMap<Vec<u8>, Held>) {
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    for ((value, write, expiry), (other_value, other_write, other_expiry)) in
        one.values().zip(other.values())
    {
        assert_eq!((value, write), (other_value, other_write));
        let apart = expiry
            .zip(*other_expiry)
            .map(|(one, other)| one.abs_diff(other));
        assert!(
            apart.map_or(expiry == other_expiry, |apart| apart <= 2),
            "{expiry:?} {other_expiry:?}"
        );
    }
}

#[test]
fn an_export_is_reshaped_by_duckdb_and_by_spark_and_keeps_its_times() {
    let (true, Some(python)) = (available(), python()) else {
        return;
    };
    let old = Space::new(shared());
    old.cql(OLD);
    old.cql(ROWS);
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/reshape");
    for script in ["duckdb.sql", "spark.py"] {
        let new = target(shared(), NEW);
        export(&old, &new, "export");
        for table in ["customers", "orders_by_customer", "order_notes"] {
            fs::create_dir_all(new.folder("reshaped").join(table)).expect("a folder");
        }
        for (name, bytes) in new.files("export") {
            if name.starts_with("customers/") {
                fs::write(new.folder("reshaped").join(name), bytes).expect("a copy");
            }
        }
        let path = format!("{demo}/{script}");
        match script {
            "duckdb.sql" => duckdb(&new, &python, &fs::read_to_string(path).expect("a script")),
            _ => engine(&new, &python, &[&path]),
        }
        let told = new.says(
            "kmig reseal reshaped --from export",
            0,
            &[
                "Sealed reshaped: 10 rows of 3 tables",
                "has the name of orders",
            ],
        );
        for line in [
            " customers           3                   3",
            " orders              6                   -",
            " orders_by_customer  -                   5",
            " order_notes         -                   2",
        ] {
            assert!(told.stdout.contains(line), "{line}: {told}");
        }
        new.says("kmig import reshaped", 0, &["10 rows", "was reshaped from"]);
        // What the files have, every cell of it, asked past kmig.
        same(&new, "reshaped", true);
        let told = new.says(
            "kmig verify reshaped",
            0,
            &[
                "has every row of reshaped as it is there: 10 rows",
                "were not looked for",
            ],
        );
        assert!(!told.stdout.contains("are equal"), "{told}");
        // What the old keyspace has.
        let mut states = cells(&old, "orders", "id", "state");
        states.retain(|_, (state, ..)| state != b"odd");
        alike(&states, &cells(&new, "orders_by_customer", "id", "state"));
        alike(
            &cells(&old, "orders", "id", "note"),
            &cells(&new, "order_notes", "id", "note"),
        );
        alike(
            &cells(&old, "customers", "id", "name"),
            &cells(&new, "orders_by_customer", "customer", "customer_name"),
        );
        let tags = "writetime(tags), tags";
        assert_eq!(
            old.cql(&format!("select {tags} from orders where id = 00000000-0000-0000-0000-000000000001")),
            new.cql(&format!("select {tags} from orders_by_customer where customer = 1 and placed = '2026-01-01T10:00:00.123Z'")),
        );
        new.says("kmig import reshaped", 0, &["0 rows", "imported before"]);
    }
}

#[test]
fn the_walk_shows_the_files_that_are_tested() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(format!("{root}/docs/reshape.md")).expect("the page");
    for (file, language) in [
        ("old.cql", "sql"),
        ("new.cql", "sql"),
        ("duckdb.sql", "sql"),
        ("spark.py", "python"),
    ] {
        let text = fs::read_to_string(format!("{root}/demo/reshape/{file}")).expect("a file");
        let block = format!("```{language}\n{text}```\n");
        assert!(
            page.contains(&block),
            "docs/reshape.md does not show {file}"
        );
    }
}

const TABLE: &str = "create table t (id int, line int, v text, n tinyint, f float, s text static, primary key (id, line));";

/// An export of a table `t`, and a keyspace whose `t` has another key.
fn pair<'a>() -> (Space<'a>, Space<'a>) {
    let old = Space::new(shared());
    old.cql("create table t (id int primary key, v text)");
    old.cql("insert into t (id, v) values (1, 'a') using timestamp 1700000000000001; insert into t (id, v) values (2, 'b') using timestamp 1700000000000002");
    let new = target(shared(), TABLE);
    export(&old, &new, "ex");
    (old, new)
}

#[test]
fn all_that_is_wrong_in_reshaped_files_is_named_at_once() {
    let (true, Some(python)) = (available(), python()) else {
        return;
    };
    let (_old, new) = pair();
    let reseal = "kmig reseal out --from ex";
    new.says(reseal, 2, &["out is no folder"]);
    let folder = new.folder("out");
    fs::create_dir_all(folder.join("t")).expect("a folder");
    new.says(reseal, 2, &["it has no file of Parquet"]);
    fs::remove_dir(folder.join("t")).expect("remove it");
    new.says(
        reseal,
        2,
        &["it has no table's folder", "a folder of its name: t"],
    );
    for below in ["t/line=5", "t.static", "tt", "t/_temporary", "rejects/t"] {
        fs::create_dir_all(folder.join(below)).expect("a folder");
    }
    let future = "9999999999999999";
    duckdb(
        &new,
        &python,
        &format!(
            "copy (select 1 id, 'a' v) to 'out/t/no_key.parquet';
             copy (select * from (values (1, 1, 'a'), (1, null, 'b'), (null, null, 'c')) r (id, line, v)) to 'out/t/null.parquet';
             copy (select 3 id, i line, 300 n, 0.1::double f from range(3) r (i)) to 'out/t/misfit.parquet';
             copy (select 4 id, 1 line, [1] n) to 'out/t/kind.parquet';
             copy (select 5 id, 1 line, 'a' v, {future} __wt) to 'out/t/future.parquet';
             copy (select 6 id, 1 line, 'a' v, 5 v__exp) to 'out/t/bare.parquet';
             copy (select 7 id, 1 line, 'a' v, 8 lines) to 'out/t/unknown.parquet';
             copy (select 8 id, 1 line, 'a' s) to 'out/t/static.parquet';
             copy (select i id, i line, 'a' v from range(5000) r (i)) to 'out/t/cut.parquet';
             copy (select 1 id, 'a' v) to 'out/t.static/regular.parquet';
             copy (select 1 id) to 'out/tt/of.parquet'; copy (select 1 id) to 'out/t/line=5/of.parquet';
             copy (select 1 id) to 'out/of.parquet'"
        ),
    );
    let cut = folder.join("t/cut.parquet");
    let bytes = fs::read(&cut).expect("the file");
    fs::write(&cut, &bytes[..bytes.len() / 2]).expect("cut the file");
    let told = new.says(
        reseal,
        2,
        &[
            "it has no column line, which is part of the key",
            "no_key.parquet",
            "row 2, column line: it is null, and part of the key (and 1 more row)",
            "row 3, column id: it is null, and part of the key",
            "row 1, column n: 300 is no tinyint",
            "row 1, column f: 0.1 is no float without rounding",
            "cannot hold tinyint",
            "ahead of the servers' clock",
            "expires at 5 and has no write time",
            "t has no column lines",
            "line is meant",
            "column s is static",
            "column v is not static",
            "it is no whole file of Parquet",
            "the keyspace has no table tt",
            "what only its name tells is in no column",
            "it is in no table's folder",
            "Spark has not finished",
            "nothing was written",
        ],
    );
    assert!(!told.stderr.contains("rejects"), "{told}");
    assert!(!folder.join("manifest.json").exists());
    // A file of another run that has other columns, and a key that stands twice.
    fs::remove_dir_all(&folder).expect("remove it");
    fs::create_dir_all(folder.join("t")).expect("a folder");
    duckdb(
        &new,
        &python,
        "copy (select 1 id, i line, 'a' v from range(10) r (i)) to 'out/t/1.parquet';
         copy (select 1 id, i + 9 line, 'a' v from range(10) r (i)) to 'out/t/2.parquet'",
    );
    new.says(
        reseal,
        2,
        &["row 1 has the key of row 10 of t/1.parquet: id = 1, line = 9"],
    );
    duckdb(
        &new,
        &python,
        "copy (select 2 id, i line from range(10) r (i)) to 'out/t/2.parquet'",
    );
    new.says(
        reseal,
        2,
        &["it lacks v, which other files of the table have"],
    );
}

#[test]
fn a_folder_is_sealed_once_and_an_export_only_into_the_open() {
    let (true, Some(python)) = (available(), python()) else {
        return;
    };
    let (old, new) = pair();
    let folder = new.folder("out");
    fs::create_dir_all(folder.join("t")).expect("a folder");
    let file = folder.join("t/part-00000.snappy.parquet");
    let write = |value: &str| {
        let sql = format!(
            "copy (select id, 7 line, '{value}' v from 'ex/t/*.parquet') to 'out/t/part-00000.snappy.parquet'"
        );
        duckdb(&new, &python, &sql);
    };
    write("x");
    // What engines leave beside their files.
    for name in [
        "t/_SUCCESS",
        "t/.part-00000.snappy.parquet.crc",
        "t/part-00001.csv",
    ] {
        fs::write(folder.join(name), "").expect("a file");
    }
    new.says(
        "kmig reseal out --from ex --dry-run",
        0,
        &["Would seal out: 2 rows"],
    );
    new.says(
        "kmig import out",
        1,
        &["has no manifest.json", "kmig reseal"],
    );
    let began = new.archive("ex").manifest.began;
    new.says(
        "kmig reseal out --from ex",
        0,
        &[
            "Sealed out: 2 rows of 1 table",
            &format!("1 table carries no write times: every value of t gets {began}"),
            "t.n: no file has it",
            "passed over, since their names do not end in .parquet: t/part-00001.csv",
        ],
    );
    let manifest = new.archive("out").manifest;
    assert_eq!(manifest.began, began);
    assert_eq!(manifest.keyspace, old.keyspace);
    assert_eq!(manifest.reshaped.expect("reshaped").keyspace, new.keyspace);
    new.says(
        "kmig reseal out --from ex",
        2,
        &["out is sealed already", "--again"],
    );
    new.says(
        "kmig reseal out --from ex --again",
        0,
        &["nothing of it was changed"],
    );
    old.says(
        &format!("kmig export --since '{}' --to two", folder.display()),
        2,
        &["was reshaped"],
    );
    // Changed after it was sealed.
    write("y");
    new.says(
        "kmig import out",
        1,
        &["Not imported", "part-00000.snappy.parquet"],
    );
    assert_eq!(new.cql("select v from t"), "");
    new.says("kmig verify out", 1, &["Not compared"]);
    new.says(
        "kmig reseal out --from ex --again",
        0,
        &["Sealed out: 2 rows"],
    );
    let told = new.says(
        "kmig reseal out --from out --again --json",
        0,
        &["nothing of it was changed"],
    );
    let told: Value = serde_json::from_str(&told.stdout).expect("a document");
    assert_eq!(told["tables"][0]["rows_of_export"], 2, "{told}");
    assert_eq!(told["tables"][0]["write_times"], false, "{told}");
    new.says("kmig import out", 0, &["2 rows", &format!("gets {began}")]);
    assert_eq!(new.cql("select v from t where id = 1"), "y");
    let micros = new.archive("out").manifest.began_micros().expect("a time");
    assert_eq!(
        new.cql("select writetime(v) from t where id = 1"),
        micros.to_string()
    );
    new.says("kmig verify out", 0, &["2 rows"]);
    new.cql("update t set v = 'other' where id = 1 and line = 7");
    new.says("kmig verify out", 0, &["1 row is newer"]);
    new.cql("delete from t where id = 2");
    new.says(
        "kmig verify out",
        1,
        &["id = 2, line = 7", "it is not in the keyspace"],
    );
    fs::remove_file(&file).expect("remove the file");
    new.says("kmig import out", 0, &["imported before"]);
    new.says(
        "kmig reseal out --from ex --again",
        2,
        &["it has no file of Parquet"],
    );
    // An export itself, for a keyspace with the same table.
    let third = target(shared(), "create table t (id int primary key, v text);");
    export(&old, &third, "ex");
    let whole = third.archive("ex").manifest;
    third.says(
        "kmig reseal ex --from ex",
        2,
        &["ex is an export", "--again"],
    );
    let [name] = &third
        .files("ex")
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.ends_with(".parquet"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one file");
    };
    duckdb(
        &third,
        &python,
        &format!("copy (select * replace (upper(v) as v) from 'ex/{name}') to 'ex/{name}'"),
    );
    third.says(
        "kmig reseal ex --from ex --again",
        0,
        &[
            "ex is an export: its own manifest stays in it as manifest.export.json",
            "Sealed ex: 2 rows",
        ],
    );
    let kept = fs::read_to_string(third.folder("ex/manifest.export.json")).expect("the manifest");
    assert!(
        kept.contains(
            &whole.tables[0].ranges[0]
                .rows
                .as_ref()
                .expect("a file")
                .file
                .sha256
        )
    );
    third.says("kmig import ex", 0, &["2 rows"]);
    assert_eq!(
        third.cql("select v, writetime(v) from t where id = 2"),
        "B|1700000000000002"
    );
    third.says("kmig verify ex", 0, &["2 rows"]);
    // What is gone cannot be reshaped.
    old.cql("delete from t where id = 1");
    let since = third.folder("since");
    export(&old, &third, "base");
    old.cql("delete from t where id = 2");
    old.says(
        &format!(
            "kmig export --since '{}' --to '{}'",
            third.folder("base").display(),
            since.display()
        ),
        0,
        &["Exported"],
    );
    third.says(
        "kmig reseal out --from since",
        7,
        &["deletions among it (1)", "nothing was written"],
    );
}

#[test]
fn an_import_of_a_reshaped_folder_that_is_killed_goes_on() {
    let (true, Some(python)) = (available(), python()) else {
        return;
    };
    let (_old, new) = pair();
    fs::create_dir_all(new.folder("out/t")).expect("a folder");
    fs::create_dir_all(new.folder("out/t.static")).expect("a folder");
    let mut sql = String::new();
    for file in 0..6 {
        let _ = write!(
            sql,
            "copy (select (i * 7919) % 997 id, {file} * 1000 + i line, 'value ' || i v, 1700000000000000 + i __wt from range(900) r (i)) to 'out/t/{file}.parquet';"
        );
    }
    sql += "copy (select i id, 'static ' || i s, 1700000000000000 + i s__wt from range(5) r (i)) to 'out/t.static/0.parquet'";
    duckdb(&new, &python, &sql);
    new.says("kmig reseal out --from ex", 0, &["Sealed out: 5400 rows"]);
    let moments = (0..5).map(|round| 500 + round * 1200);
    let killed = killed_at(&new, "kmig import out --in-flight 1", moments);
    assert!(killed > 1, "it was killed {killed} times");
    let told = new.says("kmig import out", 0, &["imported before"]);
    assert!(!told.stdout.contains(" 7 files"), "{told}");
    same(&new, "out", true);
    new.says("kmig verify out", 0, &["every row of out", "5400 rows"]);
    // What no file has may be a constant.
    fs::write(new.folder("map.toml"), "[t]\nconstant = { n = 5 }\n").expect("a mapping");
    let mapped = "--mapping map.toml";
    new.says(&format!("kmig import out {mapped}"), 0, &["5400 rows"]);
    assert_eq!(
        new.cql("select count(*) from t where n = 5 allow filtering"),
        "5400"
    );
    new.says(&format!("kmig verify out {mapped}"), 0, &["5400 rows"]);
}
