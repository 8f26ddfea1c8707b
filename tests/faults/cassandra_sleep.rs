//! Executors that sleep, as on a machine that is suspended (traps C8): the lease goes on by their own count, and whoever
//! wakes finds that it is over before it sends anything.

use std::time::{Duration, Instant};

use crate::cassandra_late::FINISH;
use crate::cassandra_lease::Stage;
use crate::support::case::expect;
use crate::support::cassandra;
use crate::support::frame_proxy::{At, Harm};

/// How long a test waits for something to come about.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_holder_that_slept_sends_nothing_once_it_wakes() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    stage
        .project
        .write("migrations/core/002_two/finish.cql", "DROP TABLE two;\n");
    // Its intent is written, and its statement not yet sent: the answer to the intent is still on its way.
    let intent = At::Sent("CREATE TABLE two".to_owned());
    let sleeper = stage.stopped_at("4s", intent);
    let other = stage.kmig(&["up", "--lock-wait", "60s"]).run();
    expect("the other", other, 0, &["waiting"]);
    expect("finish", stage.kmig(&FINISH).run(), 0, &[]);
    let there = "select table_name from system_schema.tables where keyspace_name = ";
    let there = format!("{there}'{}' and table_name = 'two'", stage.keyspace);
    assert_eq!(stage.cql(&there), "");
    stage.line.count_anew();
    sleeper.signal("CONT");
    expect("the sleeper", sleeper.wait(), 0, &[]);
    let sent = stage.line.texts();
    let changes: Vec<_> = sent
        .iter()
        .filter(|text| {
            ["CREATE", "ALTER", "DROP"]
                .iter()
                .any(|word| text.starts_with(word))
        })
        .collect();
    assert!(changes.is_empty(), "it sent {changes:?}");
    assert_eq!(stage.cql(&there), "", "what was dropped is back");
    stage.assert_done_once();
}

#[test]
fn a_holder_that_slept_alone_goes_on_when_it_wakes() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let sleeper = stage.stopped("4s", "CREATE TABLE two");
    awaits_expiry(&stage);
    sleeper.signal("CONT");
    expect("the sleeper", sleeper.wait(), 0, &[]);
    stage.assert_done_once();
}

#[test]
fn a_line_that_is_silent_for_longer_than_the_lease_lasts_is_waited_for() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    stage
        .line
        .harm(At::Statement("CREATE TABLE two".to_owned()), Harm::Hold);
    let up = stage
        .kmig(&["up"])
        .env("KMIG_CASSANDRA_LEASE", "2s")
        .start();
    let up = stage.line.await_struck_by(up);
    awaits_expiry(&stage);
    stage.line.release();
    expect("up", up.wait(), 0, &[]);
    stage.assert_done_once();
}

/// Waits until the lease's row is gone by the server's clock.
fn awaits_expiry(stage: &Stage) {
    let since = Instant::now();
    while !stage.cql("select owner from schema_meta_lease").is_empty() {
        assert!(since.elapsed() < PATIENCE, "the lease does not expire");
        std::thread::sleep(Duration::from_millis(50));
    }
}
