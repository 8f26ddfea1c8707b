//! A ring over two datacenters: the replication, the levels and the `local_datacenter` that fit it, and one that is down.

use crate::cassandra_nodes::{BASE, FINISH, FINISH_LINE, NEXT};
use crate::support::case::expect;
use crate::support::cassandra::{self, Cluster, Options};
use crate::support::kmig::{Kmig, Output, Project, project, words};

/// Where the nodes are; kmig takes names as the cluster writes them.
const PLACES: [&str; 3] = ["east", "east", "West"];

const TOML: &str =
    "[cassandra]\nreplication = { class = \"NetworkTopologyStrategy\", east = 2, West = 1 }\n";

/// The levels that stay in one datacenter.
const LOCAL: [(&str, &str); 2] = [
    ("KMIG_CASSANDRA_CONSISTENCY", "LOCAL_QUORUM"),
    ("KMIG_CASSANDRA_SERIAL_CONSISTENCY", "LOCAL_SERIAL"),
];

/// The ring, and a project.
struct Stage {
    cluster: Cluster,
    project: Project,
    keyspace: &'static str,
}

impl Stage {
    /// A command line that comes by a node.
    fn kmig(&self, node: usize, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        let url = self
            .cluster
            .url_at(self.cluster.contact(node), self.keyspace);
        let command = self.project.kmig(words).env("KMIG_URL", url);
        command.env("KMIG_CASSANDRA_AGREEMENT", "3s")
    }

    fn local(&self, node: usize, datacenter: &str, line: &str) -> Kmig {
        let [consistency, serial] = LOCAL;
        self.kmig(node, line)
            .env(consistency.0, consistency.1)
            .env(serial.0, serial.1)
            .env("KMIG_CASSANDRA_LOCAL_DATACENTER", datacenter)
    }

    #[track_caller]
    fn says(&self, node: usize, line: &str, code: i32, texts: &[&str]) -> Output {
        expect(line, self.kmig(node, line).run(), code, texts)
    }

    /// What a node has of the keyspace's tables and columns.
    fn schema(&self, node: usize) -> String {
        let of = format!("where keyspace_name = '{}'", self.keyspace);
        let text = format!(
            "select table_name, id from system_schema.tables {of}; \
             select table_name, column_name from system_schema.columns {of}"
        );
        let found = self.cluster.node_cql(node, "", &text);
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Address and datacenter of a node, as kmig lists it.
    fn mark(&self, node: usize) -> String {
        format!("{} ({}", self.cluster.contact(node).ip(), PLACES[node - 1])
    }
}

fn ring() -> Cluster {
    Cluster::start(Options {
        nodes: PLACES.len(),
        datacenters: PLACES.to_vec(),
        ..Options::default()
    })
}

#[test]
fn a_ring_over_two_datacenters_is_migrated_and_one_that_is_down_is_named() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let mut stage = Stage {
        cluster: ring(),
        project: project(&[("kmig.toml", TOML), BASE]),
        keyspace: "app",
    };
    the_usual_levels(&stage);
    stage.project = project(&[("kmig.toml", TOML), BASE]);
    stage.keyspace = "near";
    the_local_levels(&stage);
}

fn the_usual_levels(stage: &Stage) {
    let cluster = &stage.cluster;
    let wrong = "{'class': 'NetworkTopologyStrategy', 'east': 2, 'west': 1}";
    let bootstrap = stage.kmig(1, "kmig bootstrap");
    let bootstrap = bootstrap.env("KMIG_CASSANDRA_REPLICATION", wrong).run();
    let texts = [
        "west is no datacenter of the cluster",
        "West with 1",
        "nothing was made",
    ];
    expect("west", bootstrap, 2, &texts);
    let status = stage.kmig(1, "kmig status");
    let status = status.env("KMIG_CASSANDRA_LOCAL_DATACENTER", "EAST").run();
    expect("EAST", status, 2, &["no datacenter EAST", "West, east"]);
    assert_eq!(stage.schema(1), "");

    // By a node of the one, for the other.
    let bootstrap = stage.kmig(3, "kmig bootstrap");
    let bootstrap = bootstrap
        .env("KMIG_CASSANDRA_LOCAL_DATACENTER", "east")
        .run();
    expect("bootstrap", bootstrap, 0, &[]);
    // From both at once.
    stage.project.write(NEXT.0, NEXT.1);
    stage.project.write(FINISH.0, FINISH.1);
    let running = [1, 3].map(|node| stage.kmig(node, "kmig up --lock-wait 100s").start());
    for running in running {
        expect("up", running.wait(), 0, &[]);
    }
    let steps = "select number, part, first_statement, kind from schema_meta_journal";
    let steps = cluster.run(stage.keyspace, steps);
    let next = steps
        .lines()
        .filter(|line| line.starts_with("2|") && line.ends_with("|step"));
    assert_eq!(next.count(), 1, "the three that only add, once:\n{steps}");
    assert_eq!(stage.schema(1), stage.schema(3));

    // Another level would not see what this one decides.
    let local = stage.local(1, "east", FINISH_LINE).run();
    expect(
        "LOCAL_SERIAL",
        local,
        7,
        &["serial consistency SERIAL", "LOCAL_SERIAL in east"],
    );

    // The smaller one is down: most replicas answer, and not all members.
    cluster.kill(3);
    stage.says(1, "kmig status", 0, &["002_next"]);
    let before = stage.schema(1);
    stage.says(1, FINISH_LINE, 1, &[&stage.mark(3), "nothing was run"]);
    assert_eq!(stage.schema(1), before);
    cluster.restart(3);
    cluster.await_agreement();
    stage.says(1, FINISH_LINE, 0, &[]);

    // The larger one is down: what is recorded cannot be read.
    cluster.kill(1);
    cluster.kill(2);
    let texts = ["could not be read", "once enough replicas answer"];
    stage.says(3, "kmig status", 1, &texts);
    cluster.restart(1);
    cluster.restart(2);
    cluster.await_agreement();
    assert_eq!(stage.schema(1), stage.schema(3));
    assert!(!stage.schema(3).contains("users|status"));
}

fn the_local_levels(stage: &Stage) {
    let cluster = &stage.cluster;
    let east = |node: usize, line: &str| stage.local(node, "east", line).run();
    expect("bootstrap", east(1, "kmig bootstrap"), 0, &[]);
    stage.project.write(NEXT.0, NEXT.1);
    // The other datacenter decides for itself, which excludes nobody here.
    let west = stage.local(3, "West", "kmig up").run();
    let texts = [
        "LOCAL_SERIAL in east",
        "LOCAL_SERIAL in West",
        "local_datacenter = \"east\"",
    ];
    expect("west", west, 7, &texts);
    expect("by a node of the other", east(3, "kmig up"), 0, &[]);

    // The other datacenter is no part of any quorum, and has to agree all the same.
    stage.project.write(
        "migrations/core/003_more/up.cql",
        "CREATE TABLE more (id int PRIMARY KEY);\n",
    );
    let id = cluster.node_cql(3, "", "select host_id from system.local");
    let id = id.expect("its id");
    cluster.kill(3);
    expect("status", east(1, "kmig status"), 0, &["003_more"]);
    expect("up", east(1, "kmig up"), 1, &[&stage.mark(3)]);
    let without = format!("kmig up --without-node {id} --reason 'the line is cut'");
    expect("up", east(1, &without), 0, &[]);
    cluster.restart(3);
    cluster.await_agreement();
    assert_eq!(stage.schema(1), stage.schema(3));

    // Its own is down, and the other one does not stand in for it.
    cluster.kill(1);
    cluster.kill(2);
    let texts = ["no node of the datacenter east answers"];
    expect("status", east(3, "kmig status"), 1, &texts);
    cluster.restart(1);
    cluster.restart(2);
}
