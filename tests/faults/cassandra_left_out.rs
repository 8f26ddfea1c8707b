//! Nodes that are left out of a run, come back, or leave the ring for good (traps C10): what may be run without them, and
//! from when on nobody asks for them any more.

use std::time::{Duration, Instant};

use crate::cassandra_nodes::{BASE, FINISH, FINISH_LINE, NEXT};
use crate::support::case::expect;
use crate::support::cassandra::{self, Cluster, Consistency, Options};
use crate::support::kmig::{Kmig, Project, project, words};

const TOML: &str =
    "[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 3 }\n";

const KEYSPACE: &str = "app";

/// How long the ring may take to know that a node is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// A ring of three, and a keyspace with version 1 in it.
struct Stage {
    cluster: Cluster,
    project: Project,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            cluster: Cluster::start(Options {
                nodes: 3,
                nodetool: true,
                ..Options::default()
            }),
            project: project(&[("kmig.toml", TOML), BASE]),
        };
        stage.says("kmig bootstrap", 0, &[]);
        stage
    }

    fn kmig(&self, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        let command = self.project.kmig(words);
        let command = command.env("KMIG_URL", self.cluster.url(KEYSPACE));
        command.env("KMIG_CASSANDRA_AGREEMENT", "3s")
    }

    #[track_caller]
    fn says(&self, line: &str, code: i32, texts: &[&str]) {
        expect(line, self.kmig(line).run(), code, texts);
    }

    fn host_id(&self, node: usize) -> String {
        let id = "select host_id from system.local";
        self.cluster.node_cql(node, "", id).expect("its id")
    }

    /// What a node has of a keyspace's tables and columns.
    fn schema(&self, node: usize) -> String {
        let of = format!("where keyspace_name = '{KEYSPACE}'");
        let text = format!(
            "select table_name from system_schema.tables {of}; \
             select table_name, column_name from system_schema.columns {of}"
        );
        let found = self.cluster.node_cql(node, "", &text);
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The journal. Replicas that were just lost are asked until the others know that they are.
    fn journal(&self) -> String {
        let journal = "select kind, detail from schema_meta_journal";
        let since = Instant::now();
        loop {
            let quorum = Consistency::Quorum;
            match self.cluster.node_cql_at(1, KEYSPACE, journal, quorum) {
                Ok(rows) => return rows,
                Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
            }
        }
    }

    /// The third node is down: `up` refuses, and goes on only without it, which is journaled; nothing that drops runs,
    /// and nothing is dropped.
    fn expands_without_the_third(&self, reason: &str) {
        let id = self.host_id(3);
        let address = self.cluster.contact(3).ip().to_string();
        self.cluster.kill(3);
        self.says("kmig up", 1, &[&address, &id, "--without-node"]);
        let without = format!("--without-node {id} --reason '{reason}'");
        self.says(&format!("kmig up {without}"), 0, &[]);
        let journal = self.journal();
        let kept = journal.lines().any(|line| {
            line.starts_with("without-node|") && line.contains(&id) && line.contains(reason)
        });
        assert!(kept, "it is not journaled:\n{journal}");
        let before = self.schema(1);
        self.says(FINISH_LINE, 1, &[&address, &id, "nothing was run"]);
        let reset = format!("kmig reset --database {KEYSPACE} --yes");
        self.says(&reset, 1, &[&address, &id, "nothing was run"]);
        assert_eq!(self.schema(1), before);
    }
}

#[test]
fn a_node_that_is_left_out_keeps_drops_from_running_until_it_is_back_or_gone() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let cluster = &stage.cluster;
    stage.project.write(NEXT.0, NEXT.1);
    stage.project.write(FINISH.0, FINISH.1);
    stage.expands_without_the_third("its disk is being replaced");
    // Not even by the command that may leave it out.
    stage.project.write(
        "migrations/core/003_more/up.cql",
        "CREATE TABLE more (id int PRIMARY KEY);\n",
    );
    let id = {
        let known = cluster.node_cql(1, "", "select rpc_address, host_id from system.peers");
        let known = known.expect("the peers");
        let address = cluster.contact(3).ip().to_string();
        let line = known.lines().find(|line| line.starts_with(&address));
        line.expect("the third")
            .split('|')
            .nth(1)
            .expect("its id")
            .to_owned()
    };
    let line =
        format!("kmig up --finish-first --assume-gone --without-node {id} --reason 'in a hurry'");
    let before = stage.schema(1);
    stage.says(&line, 7, &["nothing is dropped while a member is left out"]);
    assert_eq!(stage.schema(1), before);

    // Back, and it has what it missed.
    cluster.restart(3);
    cluster.await_agreement();
    assert!(stage.schema(3).contains("users|state"));
    stage.says(FINISH_LINE, 0, &[]);
    for node in 1..=3 {
        let schema = stage.schema(node);
        assert!(
            !schema.contains("users|status") && !schema.contains("words"),
            "{schema}"
        );
    }

    // Down once more, and gone for good.
    stage
        .project
        .write("migrations/core/003_more/finish.cql", "DROP TABLE notes;\n");
    stage.expands_without_the_third("it burnt down");
    cluster.nodetool(1, &["removenode", &id]);
    stage.says(FINISH_LINE, 0, &[]);
    assert!(!stage.schema(2).contains("notes"));
    let told = cluster.node_cql(
        1,
        "",
        "select host_id, status, status_with_port from system_views.gossip_info",
    );
    let told = told.expect("what gossip tells");
    assert!(told.contains(&id), "nobody tells of it any more:\n{told}");

    // One that goes of its own accord.
    stage.project.write(
        "migrations/core/004_last/up.cql",
        "CREATE TABLE last (id int PRIMARY KEY);\n",
    );
    let one = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    cluster.run(
        "",
        &format!("alter keyspace {KEYSPACE} with replication = {one}"),
    );
    cluster.nodetool(2, &["decommission", "--force"]);
    stage.says("kmig up", 0, &[]);
    assert!(stage.schema(1).contains("last|id"));
}
