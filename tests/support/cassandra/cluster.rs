//! A ring of nodes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::machine::free_port;
use super::claim::Claim;
use super::client::{Client, Consistency, RawRows};
use super::node::Node;
use super::prepare::{new_folder, prepare};
use super::tls::{ClientTls, Tls};
use super::{Options, PATIENCE, Version, clock, pause_a_moment};

/// The port of CQL, of every node and of what stands before it.
const PORT: u16 = 9042;

/// Running nodes, counted from 1; killed and removed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Mutex<Node>>,
    options: Options,
    tls: Option<Tls>,
    claim: Claim,
    keyspaces: AtomicU32,
    /// Of each node, where nodetool is to work.
    nodetool: Vec<u16>,
}

impl Cluster {
    /// Makes the nodes and starts them all at once.
    ///
    /// # Panics
    /// Where Cassandra is not installed, or a node does not start; the message holds its log.
    pub fn start(options: Options) -> Self {
        let claim = Claim::take();
        let folders: Vec<_> = (0..options.nodes).map(|_| new_folder()).collect();
        let tls = (options.tls != ClientTls::None).then(|| {
            // Those of a proxy too: clients meet the certificate there.
            let addresses = (1..=options.nodes)
                .flat_map(|node| [0, 1].map(|y| format!("127.{y}.{}.{node}", claim.x)));
            Tls::make(&folders[0], addresses.collect())
        });
        let nodetool: Vec<u16> = match options.nodetool {
            true => (0..options.nodes).map(|_| free_port()).collect(),
            false => Vec::new(),
        };
        let prepared = |(node, folder)| {
            let port = nodetool.get(node - 1).copied();
            Mutex::new(prepare(&options, node, folder, &claim, tls.as_ref(), port))
        };
        let nodes = (1..).zip(folders).map(prepared).collect();
        let cluster = Self {
            nodes,
            options,
            tls,
            claim,
            keyspaces: AtomicU32::new(0),
            nodetool,
        };
        let all = 1..=cluster.options.nodes;
        all.clone().for_each(|node| cluster.node(node).launch());
        for node in all.clone() {
            cluster.await_answer(node);
        }
        for node in all.clone() {
            let others = all.clone().filter(|other| *other != node);
            others.for_each(|other| cluster.await_seen(node, 0, other));
        }
        for node in all {
            // The role cassandra is made after the first answer.
            cluster.until(&format!("node {node} lets nobody log in"), || {
                cluster.connect(node).is_ok()
            });
            // It writes down who its peers are a while after it has seen them.
            cluster.until(&format!("node {node} does not know its peers"), || {
                let peers = cluster.node_cql(node, "", "select host_id from system.peers_v2");
                let known = peers.map(|ids| ids.lines().filter(|id| !id.is_empty()).count());
                known == Ok(cluster.size() - 1)
            });
        }
        cluster
    }

    /// How many nodes there are, running or not.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// A fresh name for a keyspace, which is not made.
    pub fn keyspace(&self) -> String {
        format!("test_{}", self.keyspaces.fetch_add(1, Ordering::Relaxed))
    }

    /// The URL of a keyspace for the superuser, by the first node.
    pub fn url(&self, keyspace: &str) -> String {
        self.url_at(self.contact(1), keyspace)
    }

    /// The URL of a keyspace for the superuser, by an address.
    pub fn url_at(&self, address: SocketAddr, keyspace: &str) -> String {
        let login = match self.options.auth {
            true => "cassandra:cassandra@",
            false => "",
        };
        format!("cassandra://{login}{address}/{keyspace}")
    }

    /// Where a node listens.
    pub fn contact(&self, node: usize) -> SocketAddr {
        self.address(0, node)
    }

    /// Where a `FrameProxy` stands before a node.
    pub fn proxy_contact(&self, node: usize) -> SocketAddr {
        assert!(self.options.proxied, "start the cluster with proxied");
        self.address(1, node)
    }

    fn address(&self, y: u8, node: usize) -> SocketAddr {
        let last = u8::try_from(node).expect("few nodes");
        ([127, y, self.claim.x, last], PORT).into()
    }

    /// Certificates and a client's key, where clients speak TLS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Runs statements at QUORUM through the first node that works, in the keyspace where it is there. The rows of all of
    /// them come back, a line each, `|` between columns. What changes the schema is waited for on every node that works.
    pub fn cql(&self, keyspace: &str, text: &str) -> Result<String, String> {
        let node = (1..=self.size()).find(|node| self.node(*node).works());
        let node = node.ok_or("no node works")?;
        let quorum = Consistency::Quorum;
        self.ask(node, keyspace, text, quorum, || self.await_agreement())
    }

    /// [`Cluster::cql`] for statements that must not fail.
    ///
    /// # Panics
    /// When one does.
    #[track_caller]
    pub fn run(&self, keyspace: &str, text: &str) -> String {
        self.cql(keyspace, text)
            .unwrap_or_else(|error| panic!("{error}\non: {text}"))
    }

    /// The rows of one query at QUORUM, their values as the protocol carries them.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn raw(&self, query: &str) -> RawRows {
        let node = (1..=self.size()).find(|node| self.node(*node).works());
        let client = self.connect(node.expect("a node that works"));
        let rows = client.and_then(|mut client| client.raw(query, Consistency::Quorum));
        rows.unwrap_or_else(|error| panic!("{error}\non: {query}"))
    }

    /// Runs statements at ONE through exactly this node, and waits for no other.
    pub fn node_cql(&self, node: usize, keyspace: &str, text: &str) -> Result<String, String> {
        self.node_cql_at(node, keyspace, text, Consistency::One)
    }

    /// [`Cluster::node_cql`] at a consistency.
    pub fn node_cql_at(
        &self,
        node: usize,
        keyspace: &str,
        text: &str,
        consistency: Consistency,
    ) -> Result<String, String> {
        self.ask(node, keyspace, text, consistency, || ())
    }

    /// Makes a fresh keyspace with a replica on each node, and returns its name.
    pub fn create_keyspace(&self) -> String {
        let name = self.keyspace();
        let replicas = self.size();
        self.run(
            "",
            &format!(
                "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
            ),
        );
        name
    }

    /// Waits until every node that works has the same schema.
    ///
    /// # Panics
    /// Where they never do.
    pub fn await_agreement(&self) {
        self.until("the nodes do not agree on the schema", || {
            let working = (1..=self.size()).filter(|node| self.node(*node).works());
            let version = "select schema_version from system.local";
            let versions: Result<Vec<_>, _> = working
                .map(|node| self.node_cql(node, "", version))
                .collect();
            versions.is_ok_and(|versions| versions.windows(2).all(|two| two[0] == two[1]))
        });
    }

    /// Asks again and again until statements answer with these rows.
    ///
    /// # Panics
    /// Where they never do.
    pub fn await_rows(&self, keyspace: &str, text: &str, rows: &str) {
        self.until(&format!("{text}\nnever is {rows:?}"), || {
            self.cql(keyspace, text).as_deref() == Ok(rows)
        });
    }

    /// Ends a node at once, as a crash would. Data and commit log stay; the others are not waited for.
    pub fn kill(&self, node: usize) {
        self.node(node).kill();
    }

    /// Stops a node where it is: its connections stay open, and nothing is answered.
    pub fn pause(&self, node: usize) {
        self.node(node).pause(true);
    }

    /// Lets a paused node go on.
    pub fn cont(&self, node: usize) {
        self.node(node).pause(false);
    }

    /// Starts a node on its data, killing it first where it runs; waits until it answers, and until it and the others that
    /// work see each other.
    pub fn restart(&self, node: usize) {
        if self.node(node).pid() != 0 {
            self.kill(node);
        }
        let others: Vec<_> = (1..=self.size())
            .filter(|other| *other != node && self.node(*other).works())
            .map(|other| (other, self.node(other).log().len()))
            .collect();
        let seen = self.node(node).log().len();
        self.node(node).launch();
        self.await_answer(node);
        for (other, seen_by_other) in others {
            self.await_seen(node, seen, other);
            self.await_seen(other, seen_by_other, node);
        }
    }

    /// Where the jars of a node's version are.
    pub(super) fn jars(&self, node: usize) -> PathBuf {
        let jars = self.options.version_of(node).jars();
        jars.expect("the version that it runs")
    }

    /// Puts the clock of a node that was started with one of its own so many milliseconds ahead; it counts from its next
    /// start on.
    pub fn set_clock(&self, node: usize, ahead: i64) {
        let own = self.options.clocks.iter().any(|(of, _)| *of == node);
        assert!(own, "start the cluster with a clock for node {node}");
        clock::write(self.node(node).folder(), ahead);
    }

    /// Which release a node runs.
    pub fn version_of(&self, node: usize) -> Version {
        self.options.version_of(node)
    }

    /// The port of 127.0.0.1 by which nodetool comes to a node.
    pub(super) fn nodetool_port(&self, node: usize) -> u16 {
        let port = self.nodetool.get(node - 1);
        *port.expect("start the cluster with nodetool")
    }

    /// The process id of a node; 0 where it does not run.
    pub fn pid(&self, node: usize) -> u32 {
        self.node(node).pid()
    }

    /// The folder of a node: `data`, `log`, `cassandra.yaml`.
    pub fn folder(&self, node: usize) -> PathBuf {
        self.node(node).folder().to_owned()
    }

    /// Everything that a node has logged, over all its starts.
    pub fn log(&self, node: usize) -> String {
        self.node(node).log()
    }

    /// A failed test leaves its locks poisoned; what they guard is still sound.
    fn node(&self, node: usize) -> MutexGuard<'_, Node> {
        assert!(node > 0, "nodes are counted from 1");
        let node = &self.nodes[node - 1];
        node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client that announces `name/version`, a name alone or nothing, and stays connected as long as it lives.
    ///
    /// # Panics
    /// Where the node does not answer.
    pub fn client(&self, node: usize, announced: &str) -> Client {
        let opened = self.open(node, ("cassandra", "cassandra"), announced);
        opened.expect("connect as a client")
    }

    /// The same as another role.
    ///
    /// # Panics
    /// Where the node does not answer, or refuses the login.
    pub fn client_as(&self, login: (&str, &str), announced: &str) -> Client {
        self.open(1, login, announced).expect("connect as a client")
    }

    /// The harness itself announces a name, so that a test of the gate may leave it out.
    fn connect(&self, node: usize) -> Result<Client, String> {
        self.open(node, ("cassandra", "cassandra"), "harness")
    }

    fn open(
        &self,
        node: usize,
        (user, password): (&str, &str),
        announced: &str,
    ) -> Result<Client, String> {
        let mut client = Client::knock(self.contact(node), self.tls())?;
        client.log_in(user, password, announced)?;
        Ok(client)
    }

    /// The rows; `changed` is called behind each statement that changed the schema.
    fn ask(
        &self,
        node: usize,
        keyspace: &str,
        text: &str,
        consistency: Consistency,
        changed: impl Fn(),
    ) -> Result<String, String> {
        let mut client = self.connect(node)?;
        let mut inside = false;
        let mut rows = Vec::new();
        for statement in kmig::cql::split(text).statements {
            if !inside && !keyspace.is_empty() {
                // Before it is made every statement names it itself.
                let usable = format!("use \"{keyspace}\"");
                inside = client.query(&usable, consistency).is_ok();
            }
            let statement = &text[statement.span.start..statement.span.end];
            let answer = client.query(statement, consistency)?;
            if answer.changed_schema {
                changed();
            }
            rows.extend(answer.rows);
        }
        Ok(rows.join("\n"))
    }

    fn await_answer(&self, node: usize) {
        self.until(&format!("node {node} does not answer"), || {
            let runs = self.node(node).runs();
            assert!(runs, "node {node} has ended:\n{}", self.tail(node));
            Client::knock(self.contact(node), self.tls()).is_ok()
        });
    }

    /// Waits until the log of a node, behind its first bytes, says that another node is up. The log tells it without a
    /// login, and even where clients cannot connect.
    fn await_seen(&self, node: usize, behind: usize, other: usize) {
        let line = format!("/{}:7000 is now UP", self.contact(other).ip());
        self.until(&format!("node {node} does not see node {other}"), || {
            self.log(node)[behind..].contains(&line)
        });
    }

    fn until(&self, otherwise: &str, mut is_so: impl FnMut() -> bool) {
        let since = Instant::now();
        while !is_so() {
            if since.elapsed() > PATIENCE {
                let mut logs = String::new();
                for node in 1..=self.size() {
                    let _ = writeln!(logs, "node {node}:\n{}", self.tail(node));
                }
                panic!("{otherwise}\n{logs}");
            }
            pause_a_moment();
        }
    }

    /// The end of a node's log.
    fn tail(&self, node: usize) -> String {
        let log = self.log(node);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}
