//! Lists and counters of which nobody knows whether they were written: three nodes, of which two suffice, so that everything
//! could go on without the third. None keeps hints.

use crate::compare::same;
use crate::export_faults::{Stage, by_proxy};
use crate::imports::{export, target};
use crate::space::Space;
use crate::support::case::expect;
use crate::support::cassandra::{self, Consistency, Options, available};
use crate::support::frame_proxy::{At, Harm};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What is said when a node is waited for that may still write what it was sent.
const WAITS: &str = "waiting until it does";

const NODES: usize = 3;

/// Three nodes behind a proxy, which all work.
fn three() -> Option<(&'static Stage, MutexGuard<'static, ()>)> {
    static THREE: OnceLock<Stage> = OnceLock::new();
    if !available() {
        return None;
    }
    let turn = cassandra::turn();
    let stage = THREE.get_or_init(|| {
        let times = ["read", "range", "write", "counter_write"];
        let mut yaml: Vec<String> = times
            .map(|of| format!("{of}_request_timeout: 2000ms"))
            .into();
        yaml.push("hinted_handoff_enabled: false".into());
        // Two of the three are killed at once. A periodic commit log forgets what was written since it was marked last, about a
        // tenth of a second (CASSANDRA-13987), and a quorum of these two then lacks rows that were taken.
        yaml.push("commitlog_sync: batch".into());
        yaml.push("commitlog_sync_period: 0ms".into());
        Stage::start(Options {
            nodes: NODES,
            yaml,
            ..Options::default()
        })
    });
    stage.heal();
    Some((stage, turn))
}

#[test]
fn what_a_silent_coordinator_was_sent_is_written_once() {
    let Some((stage, _turn)) = three() else {
        return;
    };
    let cluster = &stage.cluster;
    let source = Space::new(cluster);
    let tables = "create table n (id text primary key, hits counter); create table l (id text primary key, v list<int>);";
    source.cql(tables);
    source.cql("update n set hits = hits + 7 where id = 'the counter'");
    source.cql("update l using timestamp 90 set v = [1, 2] where id = 'the list'");
    for what in ["the list", "the counter"] {
        let keyspace = target(cluster, tables);
        export(&source, &keyspace, "ex");
        stage.proxy.heal();
        let silent = Arc::new(AtomicUsize::new(0));
        let found = Arc::clone(&silent);
        // It is in the node's socket, and is read when the node goes on.
        let pause = move |node| {
            cluster.pause(node);
            found.store(node, Ordering::SeqCst);
        };
        stage
            .proxy
            .harm(At::Sending(what.to_owned()), Harm::Call(Box::new(pause)));
        let running = by_proxy(stage, &keyspace, "kmig import ex --yes").start();
        let mut running = stage.proxy.await_struck_by(running);
        // Whoever does not wait for the node ends without it.
        running.line_or_end(WAITS);
        let node = silent.load(Ordering::SeqCst);
        cluster.cont(node);
        let output = running.wait();
        // Whatever the node had been sent it has got to when it answers.
        let answers = "select key from system.local";
        cluster
            .node_cql(node, "", answers)
            .expect("the node answers");
        assert_eq!(keyspace.cql("select hits from n"), "7", "{what}: {output}");
        same(&keyspace, "ex", true);
        expect(what, output, 0, &["Imported", WAITS]);
    }
}

/// The node that keeps the last replica of a partition: a quorum that is read asks the two others, in the order of the ring.
fn last_replica(token: i64) -> usize {
    let apart = (1_i128 << 64) / NODES as i128;
    let first = (0..NODES).find(|at| {
        let end = i128::from(i64::MIN) + *at as i128 * apart;
        i128::from(token) <= end
    });
    (first.unwrap_or(0) + NODES - 1) % NODES + 1
}

/// A row that one replica has alone.
struct Alone {
    node: usize,
    p: String,
    /// What it holds.
    row: String,
}

#[test]
fn a_list_in_doubt_that_stands_on_one_replica_alone_is_found() {
    let Some((stage, _turn)) = three() else {
        return;
    };
    let cluster = &stage.cluster;
    let source = Space::new(cluster);
    // A replica that is slow makes a coordinator ask another one, too.
    let tables =
        "create table t (p int primary key, v text, l list<int>) with speculative_retry = 'NEVER';";
    source.cql(tables);
    for p in 0..60 {
        source.cql(&format!(
            "insert into t (p, v, l) values ({p}, 'row {p} ', [{p}, 1]) using timestamp 90"
        ));
    }
    let keyspace = target(cluster, tables);
    export(&source, &keyspace, "ex");
    let alone: Arc<Mutex<Option<Alone>>> = Arc::default();
    for line in source.cql("select p, token(p), v, l from t").lines() {
        let mut columns = line.splitn(3, '|');
        let mut next = || columns.next().expect("a column");
        let (p, token, row) = (next(), next(), next().to_owned());
        let last = last_replica(token.parse().expect("a token"));
        let found = Arc::clone(&alone);
        // The first time that a coordinator is the replica that no quorum of the others asks, it loses the others before they
        // have anything.
        let kill = {
            let p = p.to_owned();
            move |node| {
                let mut found = found.lock().expect("a sound lock");
                if node == last && found.is_none() {
                    *found = Some(Alone { node, p, row });
                    let others = (1..=NODES).filter(|other| *other != node);
                    others.for_each(|other| cluster.kill(other));
                }
            }
        };
        let at = At::Sending(format!("row {p} "));
        stage.proxy.harm(at, Harm::Call(Box::new(kill)));
    }
    let line = "kmig import ex --in-flight 1";
    let mut running = by_proxy(stage, &keyspace, line).start();
    running.await_line("1100 (write timeout)");
    stage.proxy.heal();
    let Alone { node, p, row } = alone.lock().expect("a sound lock").take().expect("a row");
    // While it is away a quorum of the others could say that nothing is there.
    cluster.kill(node);
    std::thread::scope(|scope| {
        for other in (1..=NODES).filter(|other| *other != node) {
            scope.spawn(move || cluster.restart(other));
        }
    });
    let query = format!("select v, l from t where p = {p}");
    cluster.await_rows(&source.keyspace, &query, &row);
    stage.proxy.count_anew();
    while stage.proxy.answers() < 6 && !running.has_ended() {
        cassandra::pause_a_moment();
    }
    cluster.restart(node);
    let output = running.wait();
    if output.code != 0 {
        // The nodes took longer to start than kmig is patient.
        expect("in time", output, 1, &["the same command"]);
        cluster.await_rows(&source.keyspace, &query, &row);
        let again = by_proxy(stage, &keyspace, line).run();
        expect("again", again, 0, &["Imported"]);
    }
    // A quorum has all of it, and together with the third it is the same.
    cluster.await_rows(&keyspace.keyspace, &query, &row);
    let all = cluster.node_cql_at(node, &keyspace.keyspace, &query, Consistency::All);
    assert_eq!(all, Ok(row), "{p}, which node {node} had alone");
    same(&keyspace, "ex", true);
    keyspace.says("kmig verify ex", 0, &["are equal"]);
}
