//! Conditional writes whose outcome nobody is told of: a serial read decides, there are never two owners, and never a
//! failure that is none.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::cassandra_every_kind::{fingerprint, owner};
use crate::cassandra_node::{Node, node};
use crate::support::case::expect;
use crate::support::cassandra::{self, Cluster, Options};
use crate::support::fingerprint::difference;
use crate::support::frame_proxy::{At, Harm};
use crate::support::kmig::{Output, Project, project};

/// How long a test waits for something to come about.
const PATIENCE: Duration = Duration::from_secs(60);

const ARGS: [&str; 4] = ["up", "--bootstrap", "--lock-wait", "60s"];

#[test]
fn any_answer_to_a_conditional_write_may_be_lost() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let Node { cluster, line } = node();
    let project = files(1);
    let run = |keyspace: &str| -> Output {
        let up = project.kmig(ARGS).env("KMIG_URL", line.url(keyspace));
        // An answer that is lost is waited for as long as this; and a renewal is none of the writes that are counted.
        let up = up.env("KMIG_CASSANDRA_REQUEST_TIMEOUT", "2s");
        up.env("KMIG_CASSANDRA_LEASE", "60s").run()
    };
    let quiet = cluster.keyspace();
    expect("undisturbed", run(&quiet), 0, &[]);
    let wanted = fingerprint(cluster, &quiet);
    // What tells each conditional write from the other requests, whatever keyspace, run and ids it names.
    for write in [
        " IF NOT EXISTS USING TTL",
        " IF epoch = ",
        "SET written = ",
        "SET owner = null",
        "DELETE FROM ",
        "(incarnation, at, run",
    ] {
        let keyspace = cluster.keyspace();
        line.heal();
        line.harm(At::Sent(write.to_owned()), Harm::Swallow);
        expect(write, run(&keyspace), 0, &[]);
        let struck = line.struck_or(|| true);
        assert!(struck, "nothing was sent like {write}");
        same(cluster, write, &keyspace, &wanted);
    }
}

#[test]
fn racing_executors_beside_a_hasty_node_have_one_owner() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    // One that gives up as soon as it begins: it answers with a timeout, and the write may have been made.
    let hasty = ["cas_contention_timeout: 1ms", "write_request_timeout: 1ms"];
    let cluster = Cluster::start(Options {
        nodes: 3,
        node_yaml: hasty.map(|line| (1, line.to_owned())).to_vec(),
        ..Options::default()
    });
    times_out(&cluster);
    let rounds = match std::env::var_os("KMIG_EVERY_POINT") {
        Some(_) => 30,
        None => 2,
    };
    let project = files(3);
    for _ in 0..rounds {
        let keyspace = cluster.keyspace();
        race(&cluster, &project, &keyspace);
        cluster.run("", &format!("drop keyspace {keyspace}"));
    }
}

/// Conditional writes by the hasty node are in doubt, as they are to be for the executors.
fn times_out(cluster: &Cluster) {
    let keyspace = cluster.create_keyspace();
    cluster.run(&keyspace, "create table t (id int primary key, v int)");
    let since = Instant::now();
    for n in 0.. {
        let write = format!("update t set v = {n} where id = 1 if v = null");
        if cluster.node_cql(1, &keyspace, &write).is_err() {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "no conditional write times out");
    }
    cluster.run("", &format!("drop keyspace {keyspace}"));
}

/// Executors that race on a fresh keyspace, some by the hasty node.
fn race(cluster: &Cluster, project: &Project, keyspace: &str) {
    let up = |first: usize| {
        let (first, second) = (cluster.contact(first), cluster.contact(first % 3 + 1));
        let url = format!("cassandra://{first},{second}/{keyspace}");
        project.kmig(ARGS).env("KMIG_URL", url)
    };
    let running = [1, 2, 1, 3].map(|first| up(first).start());
    let mut told = String::new();
    let mut done = false;
    // Who works by the hasty node may have to give up, and says so; a run that says 0 has done it.
    for output in running.map(|running| running.wait()) {
        assert!([0, 1, 6].contains(&output.code), "{output}");
        done |= output.code == 0;
        let _ = writeln!(told, "{output}");
    }
    for _ in 0..10 {
        if done {
            break;
        }
        let output = up(2).run();
        done = output.code == 0;
        let _ = writeln!(told, "{output}");
    }
    assert!(done, "no run came to its end:\n{told}");
    let look = |text| cluster.run(keyspace, text);
    assert_eq!(look("select n from counts where id = 1"), "1", "{told}");
    assert_eq!(look("select v from rows"), "a", "{told}");
    assert_eq!(look("select state from schema_meta"), "executed", "{told}");
}

/// A keyspace is as an undisturbed run leaves it.
#[track_caller]
fn same(cluster: &Cluster, title: &str, keyspace: &str, wanted: &[String]) {
    assert_eq!(owner(cluster, keyspace), "", "{title}: the lease is held");
    if let Some(difference) = difference(wanted, &fingerprint(cluster, keyspace)) {
        panic!("{title}: {difference}");
    }
}

fn files(replicas: usize) -> Project {
    let toml = format!(
        "[cassandra]\nreplication = {{ class = \"SimpleStrategy\", replication_factor = {replicas} }}\n"
    );
    project(&[
        ("kmig.toml", &toml),
        (
            "migrations/core/001_base/up.cql",
            "CREATE TABLE counts (id int PRIMARY KEY, n counter);\nCREATE TABLE rows (id int PRIMARY KEY, v text);\n\
             INSERT INTO rows (id, v) VALUES (1, 'a');\n\
             -- kmig:done-when SELECT n FROM counts WHERE id = 1\nUPDATE counts SET n = n + 1 WHERE id = 1;\n",
        ),
    ])
}
