//! Several imports of one folder at once.

use crate::compare::same;
use crate::export_faults::{by_proxy, stage};
use crate::halt::halt;
use crate::imports::target;
use crate::space::Space;
use crate::support::case::expect;
use crate::support::cassandra::{available, shared};
use std::fmt::Write as _;

const TABLES: &str = "create table lists (p int, c int, v text, l list<int>, primary key (p, c));
    create table counts (id int primary key, hits counter, misses counter);";

/// Makes rows of a partition of `lists` that cannot be written twice.
pub fn lists(p: usize) -> String {
    let mut text = String::new();
    for c in 0..4 {
        let _ = write!(
            text,
            "update lists using timestamp {} set v = 'v {c}', l = l + [{p}, {c}, 7] where p = {p} and c = {c};",
            100 + c
        );
    }
    text
}

/// Rows that cannot be written twice.
fn fill(space: &Space<'_>, partitions: usize) {
    space.cql(TABLES);
    for p in 0..partitions {
        let mut text = lists(p);
        let _ = write!(
            text,
            "update counts set hits = hits + {p} where id = {p}; update counts set misses = misses - 3 where id = {p};"
        );
        space.cql(&text);
    }
}

/// Exports in two shards: two ranges of each table, and so four files.
fn four_files(source: &Space<'_>, target: &Space<'_>) {
    let to = target.folder("ex");
    for line in ["--shard 0/2", "--shard 1/2", "--seal"] {
        source.says(
            &format!("kmig export --to '{}' {line}", to.display()),
            0,
            &[],
        );
    }
}

/// Fails where the keyspace does not hold each list and counter as the source does.
fn once(source: &Space<'_>, target: &Space<'_>) {
    same(target, "ex", true);
    let counts = "select id, hits, misses from counts";
    assert_eq!(target.cql(counts), source.cql(counts), "counted once");
    target.says("kmig verify ex", 0, &["are equal"]);
}

#[test]
fn two_imports_of_one_folder_share_its_files_and_double_nothing() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    fill(&source, 60);
    for _ in 0..3 {
        let target = target(shared(), TABLES);
        four_files(&source, &target);
        let line = "kmig import ex --yes --in-flight 2";
        let both = [(); 2].map(|()| target.kmig(line).start());
        for running in both {
            expect(line, running.wait(), 0, &[]);
        }
        once(&source, &target);
        target.says(line, 0, &["0 rows", "4 files had been imported before"]);
    }
}

#[test]
fn an_import_that_comes_while_a_file_is_written_takes_the_others_and_waits_for_it() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    fill(&source, 20);
    let target = target(&stage.cluster, TABLES);
    four_files(&source, &target);
    let line = "kmig import ex --yes --in-flight 1";
    // The first one writes a partition, and can send nothing more for a while.
    let gate = halt(&stage.proxy, "v 2");
    let first = by_proxy(stage, &target, line).start();
    gate.reached();
    let told = target.says(
        &format!("{line} --lock-wait 100ms"),
        6,
        &[
            "another run is importing what is left",
            "process",
            "the same command",
        ],
    );
    assert!(told.stderr.contains("the other files go first"), "{told}");
    let mut second = target.kmig(line).start();
    second.await_line("the other files go first");
    gate.open();
    expect(line, first.wait(), 0, &["Imported"]);
    expect(line, second.wait(), 0, &["imported before"]);
    once(&source, &target);
}

#[test]
fn shards_side_by_side_make_up_the_whole() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    fill(&source, 40);
    let target = target(shared(), TABLES);
    four_files(&source, &target);
    let shards = ["0/2", "1/2"].map(|shard| {
        let line = format!("kmig import ex --yes --shard {shard}");
        (target.kmig(&line).start(), line)
    });
    for (running, line) in shards {
        expect(&line, running.wait(), 0, &["Imported 2 files"]);
    }
    once(&source, &target);
    target.says(
        "kmig import ex --yes",
        0,
        &["4 files had been imported before"],
    );
    target.says("kmig import ex --shard 2/2", 2, &["no shard of several"]);
}
