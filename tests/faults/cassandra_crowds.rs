//! Executors that start at once, through different nodes, on a keyspace that is not there: one works, the others find it
//! done, and nothing is made twice.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::cassandra::{self, Cluster, Consistency, Options};
use crate::support::kmig::{Project, project};

const NODES: usize = 3;

/// How long the nodes may take to know each other.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn racing_executors_make_a_keyspace_once_and_lose_no_write() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let cluster = Cluster::start(Options {
        nodes: NODES,
        forgetful: true,
        ..Options::default()
    });
    // A node is up a moment before the others have it in their tables, and kmig counts it there.
    let since = Instant::now();
    while (1..=NODES).any(|node| {
        let count = "select count(*) from system.peers_v2";
        cluster.node_cql(node, "", count) != Ok((NODES - 1).to_string())
    }) {
        assert!(
            since.elapsed() < PATIENCE,
            "the nodes do not know each other"
        );
    }
    let rounds = match std::env::var_os("KMIG_EVERY_POINT") {
        Some(_) => 20,
        None => 5,
    };
    let project = files();
    let mut written = 0;
    for round in 0..rounds {
        let keyspace = cluster.keyspace();
        written += race(&cluster, &project, &keyspace, 3 + round % 4);
        cluster.run("", &format!("drop keyspace {keyspace}"));
    }
    assert!(written > 0, "no client wrote while the executors ran");
    let _ = writeln!(std::io::stderr(), "{rounds} rounds, {written} writes");
}

/// Races executors on a fresh keyspace; the writes of a client that were acknowledged meanwhile.
fn race(cluster: &Cluster, project: &Project, keyspace: &str, executors: usize) -> usize {
    let running: Vec<_> = (0..executors)
        .map(|executor| {
            let first = cluster.contact(1 + executor % NODES);
            let second = cluster.contact(1 + (executor + 1) % NODES);
            let url = format!("cassandra://{first},{second}/{keyspace}");
            let args = ["up", "--bootstrap", "--lock-wait", "100s"];
            project.kmig(args).env("KMIG_URL", url).start()
        })
        .collect();
    let (over, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The table is there from the first migration on.
            while !over.load(Ordering::SeqCst) {
                let n = acknowledged.load(Ordering::SeqCst);
                let write = format!("insert into early (id, v) values ({n}, 'client')");
                let node = 1 + n % NODES;
                let quorum = Consistency::Quorum;
                if cluster.node_cql_at(node, keyspace, &write, quorum).is_ok() {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let outputs: Vec<_> = running.into_iter().map(|running| running.wait()).collect();
        over.store(true, Ordering::SeqCst);
        for output in outputs {
            assert_eq!(output.code, 0, "{keyspace}: {output}");
        }
    });
    cluster.await_agreement();
    let look = |query: &str| -> BTreeSet<String> {
        let on = |node| cluster.node_cql(node, "", query).expect("ask a node");
        (1..=NODES).map(on).collect()
    };
    let ids = format!(
        "select table_name, id from system_schema.tables where keyspace_name = '{keyspace}'"
    );
    assert_eq!(look(&ids).len(), 1, "{keyspace}: the ids differ");
    let columns = format!(
        "select table_name, column_name, type from system_schema.columns where keyspace_name = '{keyspace}'"
    );
    assert_eq!(look(&columns).len(), 1, "{keyspace}: the columns differ");
    let steps = "select number, part, first_statement, kind from schema_meta_journal";
    let mut steps: Vec<_> = cluster
        .run(keyspace, steps)
        .lines()
        .filter(|line| line.ends_with("|step"))
        .map(str::to_owned)
        .collect();
    let all = steps.len();
    steps.sort();
    steps.dedup();
    assert_eq!(steps.len(), all, "{keyspace}: a step was done twice");
    assert_eq!(all, STEPS, "{keyspace}: {steps:?}");
    let acknowledged = acknowledged.into_inner();
    let there = cluster.node_cql_at(1, keyspace, "select count(*) from early", Consistency::All);
    assert_eq!(
        there,
        Ok(acknowledged.to_string()),
        "{keyspace}: writes are lost"
    );
    let count = cluster.run(keyspace, "select n from counts where id = 1");
    assert_eq!(count, "1", "{keyspace}: a counter was moved twice");
    acknowledged
}

/// How many steps the files have; writes of a part that follow each other are one, and so are statements that only add.
const STEPS: usize = 5;

fn files() -> Project {
    let toml =
        "[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 3 }\n";
    project(&[
        ("kmig.toml", toml),
        (
            "migrations/core/001_early/up.cql",
            "CREATE TABLE early (id int PRIMARY KEY, v text);\nCREATE TABLE counts (id int PRIMARY KEY, n counter);\n",
        ),
        (
            "migrations/core/002_more/up.cql",
            "CREATE TYPE pair (a int, b int);\nCREATE TABLE pairs (id int PRIMARY KEY, p frozen<pair>);\n\
             INSERT INTO pairs (id, p) VALUES (1, {a: 1, b: 2});\nINSERT INTO pairs (id, p) VALUES (2, {a: 1, b: 2});\n\
             -- kmig:done-when SELECT n FROM counts WHERE id = 1\nUPDATE counts SET n = n + 1 WHERE id = 1;\n",
        ),
        (
            "migrations/core/003_column/up.cql",
            "ALTER TABLE early ADD w text;\nCREATE INDEX ON early (w);\nALTER TYPE pair ADD c int;\n",
        ),
    ])
}
