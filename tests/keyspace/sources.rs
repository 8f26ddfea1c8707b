//! Two keyspaces compared as they are: `kmig verify --source`.

use crate::export_faults::stage;
use crate::exports::older;
use crate::imports::{export, target};
use crate::kinds::{fill, tables as kinds};
use crate::space::Space;
use crate::support::case::{document, expect};
use crate::support::cassandra::{Cluster, Options, Version, available, available_in, shared, turn};
use crate::support::frame_proxy::{At, Harm};
use crate::support::kmig::{Kmig, Output};
use std::sync::atomic::{AtomicBool, Ordering};

const TABLES: &str = "create table t (p int, c int, s text static, v text, w text, m map<text, int>, l list<int>, primary key (p, c));
    create table n (id int primary key, c counter);";

/// The command line that compares a keyspace with the one of a project.
fn line(source: &Space<'_>, rest: &str) -> String {
    let url = source.cluster.url(&source.keyspace);
    format!("kmig verify --source '{url}' {rest}")
}

#[track_caller]
fn says(source: &Space<'_>, target: &Space<'_>, rest: &str, code: i32, texts: &[&str]) -> Output {
    target.says(&line(source, rest), code, texts)
}

/// The same tables in two keyspaces, with these rows in both.
fn pair<'a>(cluster: &'a Cluster, tables: &str, rows: &str) -> (Space<'a>, Space<'a>) {
    let (source, target) = (Space::new(cluster), Space::new(cluster));
    for space in [&source, &target] {
        space.cql(tables);
        space.cql(rows);
    }
    (source, target)
}

#[test]
fn a_keyspace_and_its_copy_are_equal_whatever_the_types() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    fill(&source, true);
    let target = target(shared(), &kinds(true));
    export(&source, &target, "ex");
    target.says("kmig import ex --yes", 0, &["Imported"]);
    let equal = format!("{} and {} are equal:", source.keyspace, target.keyspace);
    says(&source, &target, "", 0, &[&equal]);
    // As many rows as the folder has.
    let told = |line: &str| document(line, &target.says(&format!("{line} --json"), 0, &[]));
    let (of_folder, of_both) = (told("kmig verify ex"), told(&line(&source, "")));
    assert_eq!(of_folder["same"], of_both["same"]);
    assert_eq!(of_both["source"], source.keyspace.as_str());
    assert_eq!(of_both["verdict"], "equal");
    let of_shards: i64 = (0..2)
        .map(|at| told(&line(&source, &format!("--shard {at}/2")))["same"].as_i64())
        .map(|rows| rows.expect("a number"))
        .sum();
    assert_eq!(Some(of_shards), of_both["same"].as_i64());
    // The other way round the tables of kmig's are none of it either.
    let back = target.cluster.url(&target.keyspace);
    source.says(&format!("kmig verify --source '{back}'"), 0, &["are equal"]);
}

#[test]
fn every_kind_of_difference_is_named_by_its_key() {
    if !available() {
        return;
    }
    let rows = "update t using timestamp 10 set s = 'a' where p = 1;
        insert into t (p, c, v, w, m, l) values (1, 1, 'a', 'b', {'k': 1}, [1]) using timestamp 10;
        insert into t (p, c, v) values (1, 2, 'a') using timestamp 10;
        insert into t (p, c, v) values (1, 3, 'a') using timestamp 10 and ttl 80000;
        insert into t (p, c, v) values (1, 4, 'a') using timestamp 10;
        update t using timestamp 10 set m = m + {'k': 1} where p = 1 and c = 6;
        update t using timestamp 10 set m = m + {'k': 1} where p = 1 and c = 7;
        update t using timestamp 10 set l = l + [1] where p = 1 and c = 8;
        insert into t (p, c, v, w) values (1, 9, 'a', 'b') using timestamp 10;
        insert into t (p, c, v) values (2, 1, 'same') using timestamp 10;
        update n set c = c + 1 where id = 1";
    let (source, target) = pair(shared(), TABLES, rows);
    says(&source, &target, "", 0, &["are equal: 10 rows"]);
    // None of these write times is newer than the comparison.
    target.cql(
        "update t using timestamp 10 set s = 'z' where p = 1;
         update t using timestamp 10 set v = 'z' where p = 1 and c = 1;
         update t using timestamp 11 set v = 'a' where p = 1 and c = 2;
         update t using timestamp 10 and ttl 90000 set v = 'a' where p = 1 and c = 3;
         delete from t using timestamp 20 where p = 1 and c = 4;
         insert into t (p, c, v) values (1, 5, 'a') using timestamp 10;
         update t using timestamp 11 set m = m + {'k': 1} where p = 1 and c = 6;
         update t using timestamp 10 set m = m + {'other': 1} where p = 1 and c = 7;
         update t using timestamp 10 set l = l + [2] where p = 1 and c = 8;
         delete w from t using timestamp 20 where p = 1 and c = 9;
         update n set c = c + 1 where id = 1",
    );
    let (old, new) = (&source.keyspace, &target.keyspace);
    let parts = [
        format!("{old} and {new} differ in 11 rows of 12."),
        "t (p = 1): s: the values differ".to_string(),
        "t (p = 1, c = 1): v: the values differ".to_string(),
        format!("t (p = 1, c = 2): v: written at 10 in {old}, at 11 in {new}"),
        "t (p = 1, c = 3): v: expires at ".to_string(),
        format!("t (p = 1, c = 4): it is not in {new}"),
        format!("t (p = 1, c = 5): it is not in {old}"),
        format!("t (p = 1, c = 6): m: written at 10 in {old}, at 11 in {new}"),
        format!("t (p = 1, c = 7): m: 1 elements in {old}, 2 in {new}"),
        format!("t (p = 1, c = 8): l: 1 elements in {old}, 2 in {new}"),
        format!("t (p = 1, c = 9): w: it is in {old} only"),
        "n (id = 1): c: the values differ".to_string(),
    ];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    says(&source, &target, "", 1, &parts);
    let output = says(&source, &target, "--json", 1, &[]);
    let told = document("verify", &output);
    assert_eq!(told["verdict"], "different");
    assert_eq!(told["differences"].as_array().map(Vec::len), Some(11));
}

#[test]
fn keys_that_the_mapping_changes_are_looked_up() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source.cql(
        "create table users (id int, at timestamp, name text, age text, nick text, tags list<text>, primary key (id, at));
         create table sessions (id int primary key, v text);",
    );
    source.cql(
        "insert into users (id, at, name, age, nick, tags) values (1, 5, 'a', '30', 'n', ['x', 'y']) using timestamp 9;
         update users using timestamp 12 and ttl 70000 set age = '31' where id = 1 and at = 5;
         insert into users (id, at, name) values (2, 6, 'b') using timestamp 7;
         insert into users (id, at, name, age) values (3, 6, 'b', 'old') using timestamp 7;
         insert into sessions (id, v) values (1, 'a')",
    );
    let target = target(
        shared(),
        "create table accounts (tenant text, at bigint, id text, full_name text, age varint, tags set<text>, born date,
         primary key ((tenant, id), at));
         create table audit (id int primary key, v text);",
    );
    export(&source, &target, "ex");
    says(
        &source,
        &target,
        "",
        7,
        &[
            "the keyspace has no table users for users",
            "the keyspace has no table sessions for sessions",
            &format!("of {} cannot be imported", source.keyspace),
        ],
    );
    target.project.write(
        "mapping.toml",
        "[users]\nto = \"accounts\"\nrename = { name = \"full_name\" }\nconstant = { tenant = \"acme\" }\n\
         cast = { id = \"text\", at = \"bigint\", age = \"varint\", tags = \"set<text>\" }\ndrop = { nick = \"unused\" }\n\
         [sessions]\nskip = \"made anew\"\n",
    );
    let mapped = "--mapping mapping.toml";
    target.says(&format!("kmig import ex {mapped}"), 1, &["Rejected 1 row"]);
    let told = says(
        &source,
        &target,
        mapped,
        0,
        &[
            "has every row of",
            "1 row of ",
            "does not fit the mapping",
            "were not looked for in tables that have other keys, or were reshaped: accounts.",
            "has it: audit.",
            "sessions is not compared: made anew",
            "users.nick is not compared: unused",
        ],
    );
    assert!(!told.stdout.contains("schema_meta"), "{told}");
    source.cql("insert into users (id, at, name) values (4, 6, 'late') using timestamp 8");
    target.cql("update accounts using timestamp 8 set full_name = 'c' where tenant = 'acme' and id = '2' and at = 6");
    says(
        &source,
        &target,
        mapped,
        1,
        &[
            "differ in 2 rows of 3",
            "accounts (tenant = 'acme', id = '2', at = 6): full_name: the values differ",
            &format!(
                "accounts (tenant = 'acme', id = '4', at = 6): it is not in {}",
                target.keyspace
            ),
        ],
    );
}

#[test]
fn a_cast_counter_and_a_dropped_static_column_are_no_difference() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source.cql(
        "create table t (p int, c int, s text static, v int, primary key (p, c)); create table n (id int primary key, c counter);",
    );
    source.cql(
        "insert into t (p, c, s, v) values (1, 1, 'a', 5) using timestamp 9; update t set s = 'alone' where p = 2;
         update n set c = c + 7 where id = 1",
    );
    let target = target(
        shared(),
        "create table t (p int, c int, own text static, v bigint, primary key (p, c)); create table n (id int primary key, c bigint);",
    );
    target.project.write(
        "mapping.toml",
        "[t]\ncast = { v = \"bigint\" }\ndrop = { s = \"unused\" }\n[n]\ncast = { c = \"bigint\" }\n",
    );
    export(&source, &target, "ex");
    target.says(
        "kmig import ex --mapping mapping.toml --yes",
        0,
        &["Imported"],
    );
    // What the mapping fills nothing of is no matter of the copy.
    target.cql("update t set own = 'new' where p = 3");
    for line in [line(&source, ""), "kmig verify ex".to_string()] {
        target.says(
            &format!("{line} --mapping mapping.toml"),
            0,
            &["are equal: 2 rows."],
        );
    }
}

#[test]
fn two_clusters_of_two_versions_are_compared_without_the_times_of_elements() {
    if !available() || !available_in(Version::V4_1) {
        return;
    }
    for (from, to, times) in [
        (shared(), older(), ""),
        (older(), shared(), "--element-times row-max"),
    ] {
        let source = Space::new(from);
        fill(&source, false);
        let target = target(to, &kinds(false));
        let folder = target.folder("ex");
        source.says(
            &format!("kmig export --to '{}' {times}", folder.display()),
            0,
            &["Exported"],
        );
        target.says("kmig import ex --yes", 0, &["Imported"]);
        says(
            &source,
            &target,
            "",
            0,
            &["are equal:", "those were not compared"],
        );
    }
    // Keyspaces of one name are told apart by their hosts.
    let (one, other) = (Space::new(shared()), Space::new(older()));
    let name = "of_one_name";
    for cluster in [one.cluster, other.cluster] {
        cluster.run("", &format!("create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"));
        cluster.run(name, "create table t (id int primary key, v text)");
    }
    one.cluster.run(
        name,
        "insert into t (id, v) values (1, 'a') using timestamp 5",
    );
    // The port that every url has is left out.
    let url = |space: &Space<'_>| space.cluster.url(name).replace(":9042", "");
    let output = other
        .kmig(&format!("kmig verify --source '{}'", url(&one)))
        .env("KMIG_URL", url(&other))
        .run();
    let missing = format!("t (id = 1): it is not in {}", url(&other));
    expect("one name", output, 1, &[&missing, &url(&one)]);
}

/// kmig by way of the proxy to the target, and straight to the source.
fn by_proxy(stage: &crate::export_faults::Stage, target: &Space<'_>, line: &str) -> Kmig {
    target.kmig(line).env(
        "KMIG_URL",
        stage
            .cluster
            .url_at(stage.cluster.proxy_contact(1), &target.keyspace),
    )
}

#[test]
fn what_is_written_after_a_range_began_is_left_out_and_counted() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let rows = "insert into t (p, c, v) values (1, 1, 'a') using timestamp 10;
        insert into t (p, c, v) values (1, 2, 'a') using timestamp 10";
    let (source, target) = pair(&stage.cluster, TABLES, rows);
    // Clocks are asked before the query is prepared, and rows are read behind it.
    let read = format!("FROM \"{}\".\"t\" WHERE token", target.keyspace);
    stage.proxy.harm(At::Sent(read), Harm::Hold);
    let running = by_proxy(stage, &target, &line(&source, "--parallel 1")).start();
    let running = stage.proxy.await_struck_by(running);
    source.cql(
        "insert into t (p, c, v) values (1, 1, 'b'); insert into t (p, c, v) values (1, 3, 'new')",
    );
    target.cql("insert into t (p, c, v) values (1, 4, 'by the new application')");
    stage.proxy.release();
    expect(
        "newer",
        running.wait(),
        0,
        &[
            "no difference in 1 row; 3 rows were written while they were compared, of which nothing is said",
            "once nobody writes",
        ],
    );
    // The next run begins later, and they are differences.
    says(&source, &target, "", 1, &["differ in 3 rows of 4"]);
}

#[test]
fn a_row_that_differs_is_looked_at_twice() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let rows = "insert into t (p, c, v) values (1, 1, 'a') using timestamp 10";
    for (meanwhile, code, told) in [
        // Written to one side before the other, with one time: a moment later both have it.
        (
            "update t using timestamp 11 set v = 'b' where p = 1 and c = 1",
            0,
            "are equal: 1 row.",
        ),
        // Gone from the one just now: nobody tells when, but it was there a moment ago.
        (
            "delete from t where p = 1 and c = 1",
            0,
            "no difference in 0 rows; 1 row was written while they were compared",
        ),
        (
            "insert into t (p, c, v) values (1, 2, 'unasked') using timestamp 10",
            1,
            "differ in 1 row of 1",
        ),
    ] {
        let (source, target) = pair(&stage.cluster, TABLES, rows);
        source.cql("update t using timestamp 11 set v = 'b' where p = 1 and c = 1");
        let again = format!("FROM \"{}\".\"t\" WHERE \"p\" = ?", target.keyspace);
        let keyspace = target.keyspace.clone();
        let write = move |_| {
            stage.cluster.run(&keyspace, meanwhile);
        };
        stage.proxy.heal();
        stage
            .proxy
            .harm(At::Sent(again), Harm::Call(Box::new(write)));
        let output = by_proxy(stage, &target, &line(&source, "--parallel 1")).run();
        expect(meanwhile, output, code, &[told]);
    }
}

#[test]
fn writers_of_both_keyspaces_make_no_difference() {
    if !available() {
        return;
    }
    let tables = "create table t (p int, c int, v text, w text, primary key (p, c));";
    let (source, target) = pair(
        shared(),
        tables,
        "insert into t (p, c, v) values (0, 0, 'a') using timestamp 10",
    );
    let over = AtomicBool::new(false);
    let writer = |number: usize| {
        let mut written = 0;
        while !over.load(Ordering::Relaxed) {
            let (p, c) = (fastrand::i32(0..20), fastrand::i32(0..50));
            let updates = fastrand::u8(..4) == 0;
            let both = [&source, &target].map(|space| {
                let keyspace = &space.keyspace;
                match updates {
                    true => format!("update {keyspace}.t set w = '{written}' where p = {p} and c = {c};"),
                    false => format!("insert into {keyspace}.t (p, c, v) values ({p}, {c}, 'by {number} {written}');"),
                }
            });
            shared().run("", &format!("begin batch {} apply batch", both.concat()));
            written += 1;
        }
        written
    };
    let (outputs, written) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|number| scope.spawn(move || writer(number)))
            .collect();
        let outputs: Vec<Output> = (0..6)
            .map(|_| target.kmig(&line(&source, "")).run())
            .collect();
        over.store(true, Ordering::Relaxed);
        let written = writers
            .into_iter()
            .map(|writer| writer.join().expect("a writer"));
        (outputs, written.sum::<usize>())
    });
    for output in outputs {
        expect("under writes", output, 0, &[]);
    }
    assert!(written > 100, "{written} writes are no load");
    says(&source, &target, "", 0, &["are equal"]);
}

#[test]
fn what_cannot_be_compared_is_refused_before_a_row_is_read() {
    if !available() {
        return;
    }
    let (source, target) = pair(shared(), TABLES, "update n set c = c + 1 where id = 1");
    target.says(
        "kmig verify",
        2,
        &["nothing is named to compare", "--source cassandra://"],
    );
    says(&source, &target, "ex", 2, &["one is wanted"]);
    let own = format!("names the keyspace {} itself", target.keyspace);
    says(&target, &target, "", 2, &[&own]);
    for (url, part) in [
        (
            "postgres://localhost/old",
            "--source: the url of a keyspace begins with cassandra://",
        ),
        (
            "cassandra://localhost",
            "--source: the url names no keyspace",
        ),
        (
            "cassandra://:secret@localhost/old",
            "--source: there is a password, but no user",
        ),
    ] {
        let output = target.says(&format!("kmig verify --source {url}"), 2, &[part]);
        assert!(!output.stderr.contains("secret"), "{output}");
    }
    let elsewhere = shared().url("nowhere");
    target.says(
        &format!("kmig verify --source {elsewhere}"),
        1,
        &["there is no keyspace nowhere"],
    );
    target.cql("drop table n");
    says(
        &source,
        &target,
        "",
        7,
        &[
            "the keyspace has no table n for n",
            "--mapping mapping.toml",
        ],
    );
}

#[test]
fn a_comparison_that_is_stopped_leaves_nothing() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let (source, target) = pair(
        &stage.cluster,
        TABLES,
        "insert into t (p, c, v) values (1, 1, 'a') using timestamp 10",
    );
    let tables = |space: &Space<'_>| {
        let of = &space.keyspace;
        space.cql(&format!(
            "select table_name from system_schema.tables where keyspace_name = '{of}'"
        ))
    };
    let before = (tables(&source), tables(&target), target.files("."));
    for signal in ["INT", "TERM", "KILL"] {
        stage.proxy.heal();
        let read = format!("FROM \"{}\".\"t\" WHERE token", target.keyspace);
        stage.proxy.harm(At::Sent(read), Harm::Hold);
        let running = by_proxy(stage, &target, &line(&source, "")).start();
        let running = stage.proxy.await_struck_by(running);
        let (code, output) = match signal {
            "INT" | "TERM" => {
                running.signal(signal);
                stage.proxy.release();
                (if signal == "INT" { 130 } else { 143 }, running.wait())
            }
            _ => (137, running.kill()),
        };
        if signal != "KILL" {
            expect(signal, output, code, &["stopped by a signal"]);
        }
        assert_eq!(
            (tables(&source), tables(&target), target.files(".")),
            before
        );
    }
    stage.proxy.heal();
    says(&source, &target, "", 0, &["are equal: 1 row"]);
}

#[test]
fn a_source_has_a_login_of_its_own() {
    if !available() {
        return;
    }
    let _turn = turn();
    let cluster = Cluster::start(Options {
        auth: true,
        forgetful: true,
        yaml: vec!["dynamic_data_masking_enabled: true".into()],
        ..Options::default()
    });
    let source = Space::new(&cluster);
    source.cql("create table t (id int primary key, v text masked with mask_default())");
    source.cql("insert into t (id, v) values (1, 'a') using timestamp 5");
    let target = Space::new(&cluster);
    target.cql("create table t (id int primary key, v text)");
    target.cql("insert into t (id, v) values (1, 'a') using timestamp 5");
    source.cql("create role reader with password = 'secret' and login = true");
    let as_reader = |password: &str| {
        let url = cluster
            .url(&source.keyspace)
            .replace("cassandra:cassandra@", "reader@");
        let line = format!("kmig verify --source '{url}'");
        target
            .kmig(&line)
            .env("KMIG_SOURCE_PASSWORD", password)
            .run()
    };
    let told = expect(
        "none",
        as_reader(""),
        1,
        &["there is no password for reader", "KMIG_SOURCE_PASSWORD"],
    );
    assert!(told.stderr.contains("--source:"), "{told}");
    expect(
        "wrong",
        as_reader("other"),
        1,
        &["refused the login of reader"],
    );
    let of_source = format!("may not read t of {}", source.keyspace);
    expect(
        "no right",
        as_reader("secret"),
        1,
        &[&of_source, "GRANT SELECT"],
    );
    source.cql(&format!(
        "grant select on keyspace {} to reader",
        source.keyspace
    ));
    expect("masked", as_reader("secret"), 7, &["t.v", "GRANT UNMASK"]);
    source.cql(&format!(
        "grant unmask on keyspace {} to reader",
        source.keyspace
    ));
    expect("all rights", as_reader("secret"), 0, &["are equal: 1 row."]);
    // A url without a user logs in as the project does.
    let url = cluster
        .url(&source.keyspace)
        .replace("cassandra:cassandra@", "");
    target.says(
        &format!("kmig verify --source '{url}'"),
        0,
        &["are equal: 1 row."],
    );
}
