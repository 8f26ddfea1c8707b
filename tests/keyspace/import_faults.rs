//! What dies, is damaged or answers late while a keyspace is imported.

use crate::compare::same;
use crate::export_faults::{by_proxy, points, stage};
use crate::imports::{export, killed_at, target};
use crate::space::Space;
use crate::support::case::expect;
use crate::support::cassandra::{Cluster, Options, available, shared, turn};
use crate::support::frame_proxy::{At, Harm};
use std::fmt::Write as _;
use std::fs;

pub const TABLE: &str = "create table t (p int, c int, s text static, v text, l list<int>, m map<text, int>, primary key (p, c));";

/// Rows enough for many requests: some with lists, some that expire.
pub fn fill(space: &Space<'_>, partitions: usize) {
    fill_living(space, partitions, " and ttl 90000");
}

/// The same, whose cells live as long as the clause says.
pub fn fill_living(space: &Space<'_>, partitions: usize, ttl: &str) {
    space.cql(TABLE);
    for p in 0..partitions {
        let mut text = String::new();
        let _ = write!(
            text,
            "update t using timestamp 50 set s = 'static {p}' where p = {p};"
        );
        for c in 0..20 {
            let _ = write!(
                text,
                "insert into t (p, c, v) values ({p}, {c}, 'value {c}') using timestamp {}{ttl};",
                100 + c
            );
            if c % 4 == 0 {
                let _ = write!(
                    text,
                    "update t using timestamp {} set l = l + [{c}, 1], m = m + {{'a': {c}}} where p = {p} and c = {c};",
                    200 + c
                );
            }
        }
        space.cql(&text);
    }
}

#[test]
fn a_damaged_file_is_named_before_anything_of_it_is_applied() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source.cql("create table good (id int primary key, v text); create table bad (id int primary key, v text)");
    source.cql("insert into good (id, v) values (1, 'a'); insert into bad (id, v) values (1, 'a')");
    let tables = "create table good (id int primary key, v text); create table bad (id int primary key, v text);";
    let keyspace = target(shared(), tables);
    export(&source, &keyspace, "ex");
    let files = keyspace.files("ex");
    let (path, whole) = files
        .iter()
        .find(|(name, _)| name.starts_with("bad/"))
        .expect("a file");
    let (_, other) = files
        .iter()
        .find(|(name, _)| name.starts_with("good/"))
        .expect("a file");
    let file = keyspace.folder("ex").join(path);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    let mut first = whole.clone();
    first[0] ^= 0x80;
    for (damage, word) in [
        (Some(flipped), "sha256"),
        (Some(cut), "bytes"),
        (Some(first), "sha256"),
        (Some(other.clone()), path.as_str()),
        (None, "is missing"),
    ] {
        match damage {
            Some(bytes) => fs::write(&file, bytes).expect("damage the file"),
            None => fs::remove_file(&file).expect("remove the file"),
        }
        keyspace.says("kmig import ex", 1, &[word, "Not imported"]);
        keyspace.says("kmig verify ex", 1, &[word, "Not compared"]);
        assert_eq!(keyspace.cql("select id from bad"), "", "{word}");
        assert_eq!(keyspace.cql("select id from good"), "1", "the others go on");
    }
    fs::write(&file, whole).expect("mend the file");
    keyspace.says("kmig import ex", 0, &["1 row"]);
    keyspace.says("kmig verify ex", 0, &["are equal"]);
    let manifest = keyspace.folder("ex/manifest.json");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(&manifest, text.replacen("\"good\"", "\"bad\"", 1)).expect("edit the manifest");
    keyspace.says(
        "kmig import ex",
        1,
        &["manifest.json", "not as it was written"],
    );
}

#[test]
fn an_import_that_is_killed_goes_on_and_doubles_no_list() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    fill(&source, 40);
    let keyspace = target(shared(), TABLE);
    export(&source, &keyspace, "ex");
    let moments = (0..8).map(|round| round * 90);
    let killed = killed_at(&keyspace, "kmig import ex --in-flight 1", moments);
    assert!(killed > 0, "it was never killed");
    keyspace.says("kmig import ex", 0, &["Imported"]);
    same(&keyspace, "ex", true);
    keyspace.says("kmig verify ex", 0, &["are equal"]);
}

/// Tables of everything that is not written twice without harm, and of what is.
const SMALL: &str = "create table t (p int, c int, s text static, sl list<int> static, v text, l list<int>, st set<text>, m map<text, int>, primary key (p, c));
    create table n (id int primary key, hits counter, misses counter);";

/// Some rows of theirs, of partitions at both ends of the ring.
fn some(space: &Space<'_>) {
    space.cql(SMALL);
    for p in 0..4 {
        space.cql(&format!(
            "update t using timestamp 50 set s = 'static {p}', sl = sl + [{p}, 7] where p = {p};
             insert into t (p, c, v) values ({p}, 1, 'a') using timestamp 60 and ttl 90000;
             update t using timestamp 70 set l = l + [1, {p}], st = st + {{'x', 'y'}}, m = m + {{'k': {p}}} where p = {p} and c = 2;
             update n set hits = hits + {p} where id = {p}; update n set misses = misses - 5 where id = {p}"
        ));
    }
}

#[test]
fn an_import_killed_at_any_request_is_completed_by_the_same_command() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    some(&source);
    // Two ranges of each table.
    for line in ["--shard 0/2", "--shard 1/2", "--seal"] {
        source.says(&format!("kmig export --to ex {line}"), 0, &[]);
    }
    let folder = source.folder("ex").display().to_string();
    let line = format!("kmig import '{folder}' --yes --in-flight 2");
    let proxy = &stage.proxy;
    proxy.count_anew();
    let calm = target(&stage.cluster, SMALL);
    expect("calm", by_proxy(stage, &calm, &line).run(), 0, &["12 rows"]);
    let requests = proxy.requests();
    let (mut killed, mut gone_on) = (0, 0);
    for (at, point) in points(requests, 15).into_iter().enumerate() {
        let keyspace = target(&stage.cluster, SMALL);
        proxy.heal();
        proxy.count_anew();
        let place = match at % 3 {
            0 => At::After(point),
            1 => At::Before(point),
            _ => At::Answer(point),
        };
        proxy.harm(place.clone(), Harm::Hold);
        let mut running = by_proxy(stage, &keyspace, &line).start();
        if proxy.struck_or(|| running.has_ended()) {
            running.kill();
            killed += 1;
        }
        // What it had sent arrives now, as late as can be. Where the run had ended before, the harm is not to meet the next one.
        proxy.heal();
        let told = keyspace.says(&line, 0, &["Imported"]);
        gone_on += usize::from(told.stdout.contains("imported before"));
        // Asked past kmig, and by it.
        same(&keyspace, &folder, true);
        keyspace.says(
            &format!("kmig verify '{folder}'"),
            0,
            &["are equal: 12 rows"],
        );
        assert_eq!(
            keyspace.cql("select id, hits, misses from n"),
            source.cql("select id, hits, misses from n"),
            "counted once, killed at {place:?}"
        );
    }
    assert!(
        killed > 10 && gone_on > 1,
        "{killed} kills, of which {gone_on} found files that were done"
    );
}

#[test]
fn what_a_killed_import_had_sent_is_counted_once_when_it_arrives_late() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    let tables = "create table n (id text primary key, hits counter); create table l (id text primary key, v list<int>);";
    source.cql(tables);
    source.cql("update n set hits = hits + 7 where id = 'late counter'");
    source.cql("update l using timestamp 90 set v = [1, 2] where id = 'late list'");
    for late in ["late counter", "late list"] {
        let keyspace = target(&stage.cluster, tables);
        export(&source, &keyspace, "ex");
        stage.proxy.heal();
        stage.proxy.harm(At::Sent(late.to_owned()), Harm::Late);
        let line = "kmig import ex --yes";
        let killed = by_proxy(stage, &keyspace, line).start();
        stage.proxy.await_struck_by(killed).kill();
        let mut running = by_proxy(stage, &keyspace, line).start();
        running.await_line("may still arrive");
        stage.proxy.release();
        expect(late, running.wait(), 0, &["Imported"]);
        assert_eq!(keyspace.cql("select hits from n"), "7", "{late}");
        same(&keyspace, "ex", true);
    }
}

#[test]
fn a_server_that_is_overloaded_gets_every_row_in_the_end() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    let table = "create table t (p int primary key, v text, m map<text, int>);";
    source.cql(table);
    for p in 0..300 {
        source.cql(&format!(
            "insert into t (p, v, m) values ({p}, 'v', {{'a': {p}}}) using timestamp {}",
            100 + p
        ));
    }
    let keyspace = target(&stage.cluster, table);
    export(&source, &keyspace, "ex");
    stage.proxy.overload(100);
    let output = by_proxy(stage, &keyspace, "kmig import ex").run();
    let told = ["1001 (overloaded)", "trying again for", "Imported"];
    let output = expect("overloaded", output, 0, &told);
    let lines = output.to_string().matches("trying again for").count();
    assert_eq!(lines, 1, "told for each request: {output}");
    assert_eq!(stage.proxy.overloaded(), 0, "not all answers were turned");
    same(&keyspace, "ex", true);
    keyspace.says("kmig verify ex", 0, &["are equal"]);
}

#[test]
fn a_coordinator_that_dies_is_no_end_of_an_import() {
    if !available() {
        return;
    }
    let _turn = turn();
    let cluster = Cluster::start(Options {
        nodes: 3,
        ..Options::default()
    });
    let source = Space::new(&cluster);
    fill(&source, 60);
    let keyspace = target(&cluster, TABLE);
    export(&source, &keyspace, "ex");
    let mut running = keyspace.kmig("kmig import ex --in-flight 2").start();
    cluster_has_rows(&keyspace, &mut || running.has_ended());
    cluster.kill(2);
    // It may have lists alone that it was sent, so it is waited for.
    cluster.restart(2);
    let output = running.wait();
    if output.code != 0 {
        // It took longer to start than kmig is patient.
        expect("import", output, 1, &["the same command"]);
        keyspace.says("kmig import ex", 0, &["Imported"]);
    }
    keyspace.says("kmig verify ex", 0, &["are equal"]);
}

/// Waits until some row is there, or the import has ended.
fn cluster_has_rows(keyspace: &Space<'_>, ended: &mut dyn FnMut() -> bool) {
    while !ended() && keyspace.cql("select p from t limit 1").is_empty() {}
}

#[test]
fn a_list_or_counter_in_doubt_is_read_back() {
    if !available() {
        return;
    }
    let tables = "create table lists (id int primary key, l list<int>, v text); create table counts (id int primary key, n counter);";
    let source = Space::new(shared());
    source.cql(tables);
    source.cql(
        "insert into lists (id, l, v) values (1, [1, 2], 'a') using timestamp 5;
         insert into lists (id, l, v) values (2, [3], 'b') using timestamp 5;
         insert into lists (id, l, v) values (3, [4], 'c') using timestamp 5;
         update counts set n = n + 7 where id = 1; update counts set n = n + 8 where id = 2; update counts set n = n + 9 where id = 3",
    );
    let keyspace = target(shared(), tables);
    export(&source, &keyspace, "ex");
    // As a run left it that was killed: one row written, one not, one with what somebody else wrote.
    keyspace.cql(
        "update lists using timestamp 5 set l = l + [1, 2], v = 'a' where id = 1;
         update lists set l = [9] where id = 3;
         update counts set n = n + 7 where id = 1; update counts set n = n + 1 where id = 3",
    );
    keyspace.says("kmig import ex --yes", 1, &["Rejected 2 rows", "rejects"]);
    let rejects = keyspace.files("ex/rejects");
    let text: String = rejects
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    assert_eq!(text.matches("hold something else").count(), 2, "{text}");
    assert_eq!(keyspace.cql("select n from counts where id = 1"), "7");
    assert_eq!(keyspace.cql("select n from counts where id = 2"), "8");
    assert_eq!(keyspace.cql("select n from counts where id = 3"), "1");
    let lists = keyspace.cql("select l from lists where id = 1");
    let once = source.cql("select l from lists where id = 1");
    assert_eq!(lists, once);
}
