//! What dies, fills up or changes while a keyspace is exported.

use crate::compare::same;
use crate::space::Space;
use crate::support::case::{expect, shell};
use crate::support::cassandra::{self, Cluster, Options, available};
use crate::support::frame_proxy::{At, FrameProxy, Harm};
use crate::support::kmig::Kmig;
use kmig::backup::archive::Archive;
use kmig::backup::digest::Sum;
use std::fs;
use std::sync::{MutexGuard, OnceLock};
use std::time::Duration;

/// Nodes behind a proxy.
pub struct Stage {
    pub cluster: Cluster,
    pub proxy: FrameProxy,
}

impl Stage {
    /// Starts nodes, and the proxy before each.
    pub fn start(options: Options) -> Self {
        let cluster = Cluster::start(Options {
            proxied: true,
            ..options
        });
        let proxy = FrameProxy::start(&cluster);
        Stage { cluster, proxy }
    }

    /// Brings all nodes back, as a test left them that failed.
    pub fn heal(&self) {
        self.proxy.heal();
        for node in 1..=self.cluster.size() {
            match self.cluster.pid(node) {
                0 => self.cluster.restart(node),
                _ => self.cluster.cont(node),
            }
        }
    }
}

/// One node, for all tests that hurt a line.
pub fn stage() -> Option<(&'static Stage, MutexGuard<'static, ()>)> {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    if !available() {
        return None;
    }
    let turn = cassandra::turn();
    let stage = STAGE.get_or_init(|| {
        Stage::start(Options {
            forgetful: true,
            // Fewer than in tests that read tombstones by thousands.
            yaml: vec![
                "tombstone_failure_threshold: 1000".into(),
                // So long an import waits for what a killed one had sent.
                "counter_write_request_timeout: 2000ms".into(),
            ],
            ..Options::default()
        })
    });
    stage.proxy.heal();
    Some((stage, turn))
}

/// Some rows of one partition, in one go.
pub fn rows(
    space: &Space<'_>,
    table: &str,
    p: i32,
    rows: std::ops::Range<i32>,
    value: &dyn Fn(i32) -> String,
) {
    let mut text = String::from("begin unlogged batch ");
    for c in rows {
        let value = value(c);
        text.push_str(&format!(
            "insert into {table} (p, c, v) values ({p}, {c}, {value}); "
        ));
    }
    space.cql(&(text + "apply batch"));
}

/// Tables of several pages each.
fn filled(cluster: &Cluster) -> Space<'_> {
    let space = Space::new(cluster);
    for table in ["a", "b", "c"] {
        space.cql(&format!(
            "create table {table} (p int, c int, s text static, v text, primary key (p, c))"
        ));
        for p in 0..6 {
            rows(&space, table, p, 0..200, &|c| format!("'value {c}'"));
            space.cql(&format!(
                "update {table} using ttl 80000 set s = 'static {p}' where p = {p}"
            ));
        }
    }
    space
}

/// kmig by way of the proxy.
pub fn by_proxy(stage: &Stage, space: &Space<'_>, line: &str) -> Kmig {
    let url = stage
        .cluster
        .url_at(stage.cluster.proxy_contact(1), &space.keyspace);
    space.kmig(line).env("KMIG_URL", url)
}

fn sums(archive: &Archive) -> Vec<(String, Sum, Option<Sum>)> {
    // What is known to a second only is not compared to the second.
    let exact = |sum: Sum| Sum { expiries: 0, ..sum };
    let tables = archive.manifest.tables.iter();
    tables
        .map(|table| {
            let statics = table.statics.map(exact);
            (table.outline.name.clone(), exact(table.rows), statics)
        })
        .collect()
}

/// Requests at which harm is done: a spread of them, all where `KMIG_EVERY_POINT` is set.
pub fn points(requests: usize, some: usize) -> Vec<usize> {
    let step = match std::env::var_os("KMIG_EVERY_POINT") {
        Some(_) => 1,
        None => requests.div_ceil(some),
    };
    (1..=requests).step_by(step.max(1)).collect()
}

#[test]
fn an_export_killed_at_any_request_goes_on_and_comes_to_the_same() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = filled(&stage.cluster);
    stage.proxy.count_anew();
    expect(
        "calm",
        by_proxy(stage, &space, "kmig export --parallel 1 --to calm").run(),
        0,
        &[],
    );
    let requests = stage.proxy.requests();
    assert_eq!(same(&space, "calm", true).len(), 6);
    let calm = sums(&space.archive("calm"));
    let mut kept = 0;
    for point in points(requests, 12) {
        // One after the other, so that some are sealed and others not begun.
        let line = format!("kmig export --parallel 1 --to out{point}");
        stage.proxy.heal();
        stage.proxy.count_anew();
        stage.proxy.harm(At::After(point), Harm::Hold);
        let mut running = by_proxy(stage, &space, &line).start();
        if stage.proxy.struck_or(|| running.has_ended()) {
            running.kill();
            stage.proxy.release();
        }
        let folder = format!("out{point}");
        let sealed: Vec<_> = match space.folder(&folder).exists() {
            false => Vec::new(),
            true => sealed_files(&space, &folder),
        };
        kept += sealed.len();
        assert!(!space.folder(&folder).join("manifest.json").exists() || point == requests);
        if space.folder(&folder).join("manifest.json").exists() {
            continue;
        }
        space.says(&line, 0, &[]);
        for (name, written) in sealed {
            let path = space.folder(&folder).join(&name);
            let now = fs::metadata(&path)
                .and_then(|file| file.modified())
                .expect("a file");
            assert_eq!(now, written, "{name} was written again");
        }
        let archive = space.archive(&folder);
        assert_eq!(sums(&archive), calm, "killed at request {point}");
        let half = space
            .files(&folder)
            .into_iter()
            .find(|(name, _)| name.ends_with(".tmp"));
        assert_eq!(half.map(|(name, _)| name), None);
    }
    assert!(kept > 0, "no kill found anything sealed");
}

/// The files of ranges that are sealed, and when they were written.
fn sealed_files(space: &Space<'_>, folder: &str) -> Vec<(String, std::time::SystemTime)> {
    let names = space.files(folder).into_iter().map(|(name, _)| name);
    let sidecars = names.filter(|name| name.ends_with(".json") && name.contains('/'));
    sidecars
        .map(|name| {
            let name = name.replace(".json", ".parquet");
            let file = fs::metadata(space.folder(folder).join(&name)).expect("a sealed file");
            (name, file.modified().expect("a time"))
        })
        .collect()
}

#[test]
fn an_export_that_is_asked_to_stop_says_how_to_go_on() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = filled(&stage.cluster);
    let running = by_proxy(stage, &space, "kmig export --max-rows 1000").start();
    let mut running = running;
    running.await_line("cannot be kept");
    running.signal("TERM");
    let output = running.wait();
    expect(
        "TERM",
        output,
        143,
        &["stopped by a signal", "the same command"],
    );
    let [folder] = space.backups().try_into().expect("one folder");
    space.says("kmig export", 0, &[]);
    assert_eq!(space.backups(), std::slice::from_ref(&folder));
    same(&space, &format!("backups/{folder}"), true);
    // That one is complete: the next is another.
    std::thread::sleep(Duration::from_millis(1100));
    space.says("kmig export", 0, &[]);
    assert_eq!(space.backups().len(), 2);
}

#[test]
fn two_exports_of_one_folder_do_not_mix() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = filled(&stage.cluster);
    let mut first = by_proxy(stage, &space, "kmig export --to out --max-rows 1000").start();
    first.await_line("cannot be kept");
    space.says(
        "kmig export --to out",
        6,
        &["another kmig is exporting into"],
    );
    expect("first", first.wait(), 0, &[]);
    same(&space, "out", true);
}

#[test]
fn a_schema_that_changes_meanwhile_stops_the_export_and_is_read_again() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let mut stopped = 0;
    for point in [30, 36, 42] {
        let space = filled(&stage.cluster);
        stage.proxy.heal();
        stage.proxy.count_anew();
        stage.proxy.harm(At::After(point), Harm::Hold);
        let mut running = by_proxy(stage, &space, "kmig export --to out").start();
        if stage.proxy.struck_or(|| running.has_ended()) {
            space.cql("alter table b add more int");
            space.cql("insert into b (p, c, more) values (1, 1, 7)");
            stage.proxy.release();
        }
        let output = running.wait();
        if output.code != 0 {
            expect(
                "changed",
                output,
                1,
                &[
                    "the schema was changed while it was exported: b",
                    "the same command",
                ],
            );
            assert!(!space.folder("out/manifest.json").exists());
            space.says("kmig export --to out", 0, &["b is read from its beginning"]);
            stopped += 1;
            let manifest = space.archive("out").manifest;
            let b = manifest
                .tables
                .iter()
                .find(|table| table.outline.name == "b");
            let more = |table: &&kmig::backup::manifest::Table| {
                table
                    .outline
                    .columns
                    .iter()
                    .any(|column| column.name == "more")
            };
            assert!(b.filter(more).is_some());
            same(&space, "out", true);
        }
    }
    assert!(stopped > 0, "no change fell into an export");
}

#[test]
fn a_full_disk_stops_the_export_and_it_goes_on_when_there_is_room() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    space.cql("create table small (p int primary key, v int)");
    space.cql("insert into small (p, v) values (1, 1)");
    space.cql("create table t (p int, c int, v blob, primary key (p, c))");
    let noise = |c: i32| {
        let mut rng = fastrand::Rng::with_seed(c as u64);
        let bytes: Vec<String> = (0..4000).map(|_| format!("{:02x}", rng.u8(..))).collect();
        format!("0x{}", bytes.concat())
    };
    rows(&space, "t", 1, 0..40, &noise);
    // The system refuses to let any file grow beyond 64 KiB, as it would on a full disk.
    let url = stage.cluster.url(&space.keyspace);
    let limited = shell(
        space.project.path(),
        "trap '' XFSZ; ulimit -f 128; exec \"$KMIG\" export --to out",
    )
    .env("KMIG_URL", url);
    let texts = ["cannot be written", "File too large", "the same command"];
    expect("full", limited.run(), 1, &texts);
    let half = space
        .files("out")
        .into_iter()
        .find(|(name, _)| name.ends_with(".tmp"));
    assert_eq!(half.map(|(name, _)| name), None);
    space.says("kmig export --to out", 0, &[]);
    same(&space, "out", true);
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_named() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = filled(&stage.cluster);
    space.says("kmig export --to out", 0, &[]);
    let archive = space.archive("out");
    let file = &archive.manifest.tables[1].ranges[0]
        .rows
        .as_ref()
        .expect("a file")
        .file;
    let path = archive.path(file);
    let bytes = fs::read(&path).expect("a file");
    let name = path
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let told = |why: &str| {
        let error = archive.check(file).expect_err(why);
        assert!(
            error.message.contains(&name) && error.message.contains(why),
            "{error}"
        );
    };
    for at in [0, 4, bytes.len() / 2, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        fs::write(&path, other).expect("write");
        told("sha256 does not fit");
    }
    fs::write(&path, &bytes[..bytes.len() - 7]).expect("write");
    told("was written with");
    fs::remove_file(&path).expect("remove");
    told("is missing");
    // Swapped with another one.
    let other = &archive.manifest.tables[0].ranges[0]
        .rows
        .as_ref()
        .expect("a file")
        .file;
    fs::copy(archive.path(other), &path).expect("copy");
    assert!(archive.check(file).is_err());
    let manifest = space.folder("out/manifest.json");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    for wrong in [
        text.replacen("\"rows\": 1200", "\"rows\": 1201", 1),
        text[..text.len() / 3].to_string(),
    ] {
        assert_ne!(wrong, text);
        fs::write(&manifest, wrong).expect("write");
        assert!(Archive::open(&space.folder("out")).is_err());
    }
}

#[test]
fn tombstones_that_replicas_cannot_read_at_once_are_read_in_pieces() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    space.cql("create table t (p int, c int, v int, primary key (p, c))");
    for p in 0..60 {
        let deletes: Vec<String> = (0..50)
            .map(|c| format!("delete from t where p = {p} and c = {c};"))
            .collect();
        space.cql(&format!(
            "begin unlogged batch {} apply batch",
            deletes.concat()
        ));
    }
    println!("{}", space.cql("select name, value from system_views.settings where name = 'tombstone_failure_threshold'"));
    println!(
        "{:?}",
        space.cluster.cql(&space.keyspace, "select count(*) from t")
    );
    // Between one row and the next stand more of them than a query may read.
    space.cql("insert into t (p, c, v) values (7, 100, 1)");
    space.says("kmig export --to out", 0, &["cannot read", "pieces"]);
    assert_eq!(held_rows(&space, "out"), 1);
    // One partition with more of them than any query may read.
    for batch in 0..15 {
        let deletes: Vec<String> = (0..100)
            .map(|c| format!("delete from t where p = 1000 and c = {};", batch * 100 + c))
            .collect();
        space.cql(&format!(
            "begin unlogged batch {} apply batch",
            deletes.concat()
        ));
    }
    let texts = [
        "the partition with the token",
        "tombstone_failure_threshold",
    ];
    space.says("kmig export --to other", 1, &texts);
}

fn held_rows(space: &Space<'_>, folder: &str) -> u64 {
    let tables = space.archive(folder).manifest.tables;
    tables.iter().map(|table| table.rows.rows).sum()
}

#[test]
fn a_coordinator_that_dies_is_gone_on_without() {
    if !available() {
        return;
    }
    let _turn = cassandra::turn();
    let cluster = Cluster::start(Options {
        nodes: 3,
        proxied: true,
        ..Options::default()
    });
    let proxy = FrameProxy::start(&cluster);
    let stage = Stage { cluster, proxy };
    let space = filled(&stage.cluster);
    stage.proxy.count_anew();
    expect(
        "calm",
        by_proxy(&stage, &space, "kmig export --to calm").run(),
        0,
        &[],
    );
    let requests = stage.proxy.requests();
    let calm = sums(&space.archive("calm"));
    for (round, point) in [requests / 2, requests - 6].into_iter().enumerate() {
        let folder = format!("out{round}");
        stage.proxy.heal();
        stage.proxy.count_anew();
        std::thread::scope(|scope| {
            let (send, killed) = std::sync::mpsc::channel();
            stage.proxy.harm(
                At::After(point),
                Harm::Call(Box::new(move |node| {
                    let _ = send.send(node);
                })),
            );
            let cluster = &stage.cluster;
            let killer = scope.spawn(move || {
                let node = killed.recv().ok()?;
                cluster.kill(node);
                Some(node)
            });
            let output = by_proxy(&stage, &space, &format!("kmig export --to {folder}")).run();
            expect("lost", output, 0, &[]);
            stage.proxy.heal();
            let node = killer
                .join()
                .expect("the killer")
                .expect("a request was counted");
            assert_eq!(sums(&space.archive(&folder)), calm);
            stage.cluster.restart(node);
        });
    }
}
