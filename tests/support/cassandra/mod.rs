//! Throw-away Cassandra: real nodes on loopback addresses of their own, gone when the test is gone.
//!
//! ```text
//! if !cassandra::available() { return; }
//! let cluster = cassandra::shared();                     // one node, for all tests of this process
//! let keyspace = cluster.keyspace();                     // a name of its own, not made yet
//! cluster.run(&keyspace, "create keyspace …");           // statements for the test itself
//! project.kmig(["up"]).env("KMIG_URL", cluster.url(&keyspace));
//!
//! let three = Cluster::start(Options { nodes: 3, ..Options::default() });
//! three.kill(2);                                         // nodes are counted from 1
//! three.restart(2);
//! ```

use std::io::Write;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

mod claim;
mod client;
mod clock;
mod cluster;
mod config;
mod dump;
mod node;
mod nodetool;
mod prepare;
mod programs;
mod tls;
mod value;

#[allow(unused_imports, reason = "each binary uses its own share")]
pub use client::{Client, Consistency};
pub use cluster::Cluster;
#[allow(unused_imports, reason = "each binary uses its own share")]
pub use programs::Version;
pub use tls::ClientTls;

/// How long a node may take to start on a busy machine, and anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(180);

/// How a cluster is to be; [`Options::default`] is one node of 5.0 that trusts everybody and speaks plain text.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes.
    pub nodes: usize,
    /// The version of each node that `versions` does not name.
    pub version: Version,
    /// Nodes, counted from 1, of another version.
    pub versions: Vec<(usize, Version)>,
    /// Whether clients log in; the superuser is `cassandra`, with that password.
    pub auth: bool,
    /// What clients speak.
    pub tls: ClientTls,
    /// More lines of every node's cassandra.yaml.
    pub yaml: Vec<String>,
    /// More lines of the cassandra.yaml of one node, counted from 1.
    pub node_yaml: Vec<(usize, String)>,
    /// More arguments of every node's Java.
    pub java: Vec<String>,
    /// The heap of a node in MiB, where it matters.
    pub heap: Option<u32>,
    /// Faster DDL, but a killed node forgets its schema.
    pub forgetful: bool,
    /// Nodes tell clients the addresses of a `FrameProxy` instead of their own.
    pub proxied: bool,
    /// Nodes, counted from 1, whose clock is so many milliseconds ahead; [`Cluster::set_clock`] puts it right.
    pub clocks: Vec<(usize, i64)>,
    /// The datacenter of each node; all are in `datacenter1` where none is given.
    pub datacenters: Vec<&'static str>,
    /// Whether [`Cluster::nodetool`] is to work: each node then takes a port of 127.0.0.1 for it.
    pub nodetool: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 1,
            version: Version::default(),
            versions: Vec::new(),
            auth: false,
            tls: ClientTls::default(),
            yaml: Vec::new(),
            node_yaml: Vec::new(),
            java: Vec::new(),
            heap: None,
            forgetful: false,
            proxied: false,
            clocks: Vec::new(),
            datacenters: Vec::new(),
            nodetool: false,
        }
    }
}

impl Options {
    /// The version of a node, counted from 1.
    pub fn version_of(&self, node: usize) -> Version {
        let own = self.versions.iter().find(|(of, _)| *of == node);
        own.map_or(self.version, |(_, version)| *version)
    }
}

/// The cluster that all tests of this process share: one node, which nobody kills.
pub fn shared() -> &'static Cluster {
    shared_in(Version::default())
}

/// [`shared`] for a version.
pub fn shared_in(version: Version) -> &'static Cluster {
    static V5_0: OnceLock<Cluster> = OnceLock::new();
    static V4_1: OnceLock<Cluster> = OnceLock::new();
    let shared = match version {
        Version::V5_0 => &V5_0,
        Version::V4_1 => &V4_1,
    };
    shared.get_or_init(|| {
        Cluster::start(Options {
            version,
            forgetful: true,
            // It holds the tables of a whole suite at once: with less it ends up collecting garbage.
            heap: Some(1024),
            ..Options::default()
        })
    })
}

/// The turn of a test that runs nodes of its own, or hurts some: three of them need more than a core, and two rings side by
/// side would only measure the machine.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether tests on real nodes can run. Absence is said aloud, and is a failure where `KMIG_REQUIRE_SERVERS` is set.
pub fn available() -> bool {
    available_in(Version::default())
}

/// [`available`] for a version.
pub fn available_in(version: Version) -> bool {
    if programs::java().is_some() && version.jars().is_some() {
        return true;
    }
    let number = version.number();
    assert!(
        std::env::var_os("KMIG_REQUIRE_SERVERS").is_none(),
        "KMIG_REQUIRE_SERVERS is set, but Cassandra {number} was not found: run scripts/ensure-cassandra {number}"
    );
    // Written past the capturing of test output: a skipped test must be seen.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: Cassandra {number} was not found; scripts/ensure-cassandra {number} fetches it"
    );
    false
}

/// Between two looks at what is waited for.
pub fn pause_a_moment() {
    std::thread::sleep(Duration::from_millis(20));
}
