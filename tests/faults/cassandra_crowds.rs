//! Executors that start at once, through different nodes, on a keyspace that is not there: one works, the others find it
//! done, and nothing is made twice.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cassandra_nodes::ring;
use crate::support::cassandra::{self, Cluster, Consistency, Options};
use crate::support::kmig::{Project, project};

const NODES: usize = 3;

/// How often executors race, and how often those with two texts.
const ROUNDS: usize = 20;
const ROUNDS_OF_TEXTS: usize = 5;

const TOML: &str =
    "[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 3 }\n";

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
    let project = files();
    let mut written = 0;
    for round in 0..ROUNDS {
        let keyspace = cluster.keyspace();
        written += race(&cluster, &project, &keyspace, 3 + round % 4);
        cluster.run("", &format!("drop keyspace {keyspace}"));
    }
    assert!(written > 0, "no client wrote while the executors ran");
    let _ = writeln!(std::io::stderr(), "{ROUNDS} rounds, {written} writes");
}

#[test]
fn executors_with_different_texts_of_one_table_make_one_of_them() {
    let Some((ring, _turn)) = ring() else { return };
    ring.proxy.heal();
    for _ in 0..ROUNDS_OF_TEXTS {
        let keyspace = ring.cluster.keyspace();
        let projects =
            ["id int PRIMARY KEY, v text", "id bigint PRIMARY KEY, w int"].map(|columns| {
                let table = format!("CREATE TABLE early ({columns});\n");
                project(&[
                    ("kmig.toml", TOML),
                    ("migrations/core/001_early/up.cql", &table),
                ])
            });
        let up = |executor: usize| {
            let contact = |node| ring.cluster.proxy_contact(1 + node % NODES);
            let (first, second) = (contact(executor), contact(executor + 1));
            let url = format!("cassandra://{first},{second}/{keyspace}");
            let args = ["up", "--bootstrap", "--lock-wait", "100s"];
            projects[executor % 2].kmig(args).env("KMIG_URL", url)
        };
        let running = [0, 1, 2, 3].map(|executor| up(executor).start());
        let outputs = running.map(|running| running.wait());
        let winner = outputs.iter().position(|output| output.code == 0);
        let winner = winner.unwrap_or_else(|| panic!("nobody has done it: {}", outputs[0])) % 2;
        for (executor, output) in outputs.iter().enumerate() {
            let code = if executor % 2 == winner { 0 } else { 8 };
            assert_eq!(output.code, code, "{keyspace}: {output}");
        }
        let made = |what: &str| one_answer(&ring.cluster, &keyspace, what);
        let columns = made("column_name, type from system_schema.columns");
        let wanted = ["id|int\nv|text", "id|bigint\nw|int"][winner];
        let early: Vec<_> = columns
            .lines()
            .filter_map(|line| line.strip_prefix("early|"))
            .collect();
        assert_eq!(early.join("\n"), wanted, "{keyspace}");
        made("id from system_schema.tables");

        let next = "ALTER TABLE early ADD x int;\n";
        for project in &projects {
            project.write("migrations/core/002_next/up.cql", next);
        }
        for executor in [1 - winner, winner] {
            let output = up(executor).run();
            let code = if executor == winner { 0 } else { 8 };
            assert_eq!(output.code, code, "{keyspace}: {output}");
        }
        assert!(made("column_name, type from system_schema.columns").contains("early|x|int"));
        ring.cluster.run("", &format!("drop keyspace {keyspace}"));
    }
}

/// What every node says of the keyspace's tables, once all agree.
#[track_caller]
fn one_answer(cluster: &Cluster, keyspace: &str, what: &str) -> String {
    cluster.await_agreement();
    let query = format!("select table_name, {what} where keyspace_name = '{keyspace}'");
    let on = |node| cluster.node_cql(node, "", &query).expect("ask a node");
    let mut answers: Vec<String> = (1..=NODES).map(on).collect();
    answers.dedup();
    assert_eq!(
        answers.len(),
        1,
        "{keyspace}: the nodes differ: {answers:?}"
    );
    answers.remove(0)
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
    one_answer(cluster, keyspace, "id from system_schema.tables");
    one_answer(
        cluster,
        keyspace,
        "column_name, type from system_schema.columns",
    );
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
    project(&[
        ("kmig.toml", TOML),
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
