//! What the modules about nodes of Cassandra share: a ring of three behind a proxy, and a keyspace with a project.

use std::sync::{MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use crate::support::case::expect;
use crate::support::cassandra::{self, Cluster, Consistency, Options};
use crate::support::frame_proxy::FrameProxy;
use crate::support::kmig::{Kmig, Output, Project, project, words};

/// How long the ring may take to know that a node is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes the tables of version 1.
pub const BASE: (&str, &str) = (
    "migrations/core/001_base/up.cql",
    "CREATE TABLE users (id int PRIMARY KEY, status int);\nCREATE TABLE words (id int PRIMARY KEY);",
);

/// Adds a table and a column.
pub const NEXT: (&str, &str) = (
    "migrations/core/002_next/up.cql",
    "CREATE TABLE notes (id int PRIMARY KEY, note text);\n\
     ALTER TABLE users ADD state text;\n\
     CREATE INDEX users_state ON users (state);",
);

/// Drops a column.
pub const FINISH: (&str, &str) = (
    "migrations/core/002_next/finish.cql",
    "ALTER TABLE users DROP status;\nDROP TABLE words;",
);

/// The gate has nobody to ask here.
pub const FINISH_LINE: &str = "kmig finish --yes --assume-gone --reason 'there is no application'";

/// Three nodes, and the proxy before each.
pub struct Ring {
    pub cluster: Cluster,
    pub proxy: FrameProxy,
}

/// The ring of all tests of this process, whole again: each test has it alone. None where there is no Cassandra.
pub fn ring() -> Option<(&'static Ring, MutexGuard<'static, ()>)> {
    static RING: OnceLock<Ring> = OnceLock::new();
    if !cassandra::available() {
        return None;
    }
    let turn = cassandra::turn();
    let ring = RING.get_or_init(|| {
        let cluster = Cluster::start(Options {
            nodes: 3,
            proxied: true,
            // One that missed a change asks for it once a minute by default.
            java: vec!["-Dcassandra.schema_pull_interval_ms=1000".into()],
            ..Options::default()
        });
        let proxy = FrameProxy::start(&cluster);
        Ring { cluster, proxy }
    });
    ring.heal();
    Some((ring, turn))
}

impl Ring {
    /// Brings back whoever was killed or paused.
    pub fn heal(&self) {
        self.proxy.heal();
        for node in 1..=self.cluster.size() {
            match self.cluster.pid(node) {
                0 => {}
                _ => self.cluster.cont(node),
            }
        }
        for node in 1..=self.cluster.size() {
            if self.cluster.pid(node) == 0 {
                self.cluster.restart(node);
            }
        }
        self.cluster.await_agreement();
    }

    /// What a node that answers nothing is told by: its address, and its id.
    pub fn marks(&self, node: usize) -> [String; 2] {
        let id = self
            .cluster
            .node_cql(node, "", "select host_id from system.local");
        [
            self.cluster.proxy_contact(node).ip().to_string(),
            id.expect("its id"),
        ]
    }
}

/// A keyspace of the ring, and a project for it.
pub struct Case {
    pub ring: &'static Ring,
    pub project: Project,
    pub keyspace: String,
}

impl Case {
    /// A name for a keyspace that is not there.
    pub fn new(ring: &'static Ring, files: &[(&str, &str)]) -> Self {
        Self {
            ring,
            project: project(files),
            keyspace: ring.cluster.keyspace(),
        }
    }

    /// A keyspace that version 1 is in, and the files of version 2.
    pub fn upgrade(ring: &'static Ring) -> Self {
        let case = Self::new(ring, &[("kmig.toml", ""), BASE]);
        case.run("kmig bootstrap", 0);
        case.project.write(NEXT.0, NEXT.1);
        case
    }

    /// A command line of kmig that any node serves, and that makes a keyspace of three replicas.
    pub fn kmig(&self, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        let hosts = [1, 2, 3].map(|node| self.ring.cluster.proxy_contact(node).ip().to_string());
        self.project
            .kmig(words)
            .env(
                "KMIG_URL",
                format!("cassandra://{}/{}", hosts.join(","), self.keyspace),
            )
            .env(
                "KMIG_CASSANDRA_REPLICATION",
                "{'class': 'SimpleStrategy', 'replication_factor': 3}",
            )
    }

    /// [`Case::kmig`] that waits for no node for long: one is missing.
    pub fn impatient(&self, line: &str) -> Kmig {
        self.kmig(line)
            .env("KMIG_CASSANDRA_AGREEMENT", "3s")
            .env("KMIG_CASSANDRA_REQUEST_TIMEOUT", "10s")
    }

    /// Runs a command line that waits for no node for long until it has come to the point where harm is done, and waits for
    /// the harm: on a busy machine it may give up before that, with nothing done.
    #[track_caller]
    pub fn struck(&self, line: &str) -> Output {
        let since = Instant::now();
        loop {
            let output = self.impatient(line).run();
            if !self.ring.proxy.is_pending() {
                self.ring.proxy.await_struck(1);
                return output;
            }
            let gave_up = output.code == 1 && since.elapsed() < PATIENCE;
            assert!(gave_up, "it did not come to the point: {output}");
        }
    }

    /// Runs a command line that must end with this code.
    #[track_caller]
    pub fn run(&self, line: &str, code: i32) -> Output {
        self.says(line, code, &[])
    }

    /// Runs a command line that must end with this code and say all this.
    #[track_caller]
    pub fn says(&self, line: &str, code: i32, texts: &[&str]) -> Output {
        expect(line, self.kmig(line).run(), code, texts)
    }

    /// Tables with their ids and columns of the keyspace, as a node has them.
    pub fn schema(&self, node: usize) -> String {
        let of = format!("where keyspace_name = '{}'", self.keyspace);
        let text = format!(
            "select table_name, id from system_schema.tables {of}; \
             select table_name, column_name, type, kind from system_schema.columns {of}; \
             select table_name, index_name from system_schema.indexes {of}"
        );
        let found = self.ring.cluster.node_cql(node, "", &text);
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The schema at a node, and what kmig has recorded.
    pub fn picture(&self, node: usize) -> String {
        let schema = self.schema(node);
        if !schema.contains("schema_meta_journal|") {
            return schema;
        }
        let record = "select subsystem, number, state, part, statements_done, \"batch\", intent from schema_meta; \
             select at, kind from schema_meta_journal";
        format!("{schema}\n{}", self.quorum(node, record))
    }

    /// Rows of the keyspace at QUORUM, by a node. One that was just lost is asked until the others know that it is.
    #[track_caller]
    pub fn quorum(&self, node: usize, text: &str) -> String {
        let since = Instant::now();
        loop {
            let cluster = &self.ring.cluster;
            match cluster.node_cql_at(node, &self.keyspace, text, Consistency::Quorum) {
                Ok(rows) => return rows,
                Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
            }
        }
    }

    /// Every node has the same schema, and in it what version 2 has before its finish; each statement is recorded once.
    #[track_caller]
    pub fn is_upgraded(&self) {
        let schemas = [1, 2, 3].map(|node| self.schema(node));
        assert_eq!(schemas[0], schemas[1]);
        assert_eq!(schemas[0], schemas[2]);
        for line in [
            "notes|note|text|regular",
            "users|state|text|regular",
            "users|users_state",
        ] {
            let found = schemas[0].lines().filter(|found| *found == line).count();
            assert_eq!(found, 1, "{line} in\n{}", schemas[0]);
        }
        let meta = "select name, state from schema_meta";
        let rows = self.ring.cluster.run(&self.keyspace, meta);
        assert_eq!(rows, "001_base|executed\n002_next|executed");
    }
}
