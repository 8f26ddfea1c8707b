//! A proxy before every node of a Cassandra cluster: it counts the requests that clients send, over all connections, and
//! does harm at one of them.
//!
//! The cluster is started with `proxied`: its nodes listen on `127.0.x.i` and tell clients `127.1.x.i`, where the proxy
//! listens, so a driver that looks for the other nodes comes through it too.
//!
//! ```text
//! let line = FrameProxy::start(&cluster);
//! line.harm(At::After(7), Harm::Hold);      // request 7 reaches its node, its answer reaches nobody
//! let running = project.kmig(["up"]).env("KMIG_URL", line.url(&keyspace)).start();
//! if line.struck_or(|| running.has_ended()) { running.kill(); line.release(); }
//! ```
//!
//! Only QUERY, PREPARE, EXECUTE and BATCH count, and not those of a driver's control connection (the one that has sent
//! REGISTER): its own look-ups, heartbeats and pools come in another order each time. Frames of TLS cannot be read.

mod frame;
mod line;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::cassandra::Cluster;
use super::kmig::Running;
use line::Line;

/// How long the proxy may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where harm is done. Requests and answers are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The n-th request has come, and has not gone on to its node.
    Before(usize),
    /// The n-th request has gone on to its node.
    After(usize),
    /// A request holds this text, in its statement or in a value of it, and has not gone on to its node.
    Sending(String),
    /// The same, and it has gone on to its node.
    Sent(String),
    /// A request whose statement begins with this has gone on to its node: not one that journals such a statement.
    Statement(String),
    /// The n-th answer to a request has come from a node, and has not gone on to the client.
    Answer(usize),
}

/// What is done there, once.
pub enum Harm {
    /// Both ends of the connection see it closed.
    Cut,
    /// Nothing passes on any connection, old or new, and no end sees the other close, until [`FrameProxy::release`].
    Hold,
    /// The frame does not pass, everything else does. Behind a request that has gone on it is the answer.
    Swallow,
    /// The request waits in front of its node until [`FrameProxy::release`], and all else of its connection with it,
    /// whatever becomes of its client; other connections go on.
    Late,
    /// This is called with the number of the node, and everything passes afterwards.
    Call(Box<dyn FnOnce(usize) + Send>),
}

/// A request for a page of rows, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paged {
    /// Rows that it asks for, at most.
    pub rows: i32,
    /// Requests for pages that are not answered, this one included.
    pub under_way: usize,
}

/// Listening proxies, one a node; they let go of everything when they are dropped.
pub struct FrameProxy {
    addresses: Vec<SocketAddr>,
    url: String,
    line: Arc<Line>,
}

impl FrameProxy {
    /// Stands before each node of a cluster that was started with `proxied`.
    pub fn start(cluster: &Cluster) -> Self {
        Self::stand(cluster, |node| cluster.proxy_contact(node))
    }

    /// Stands beside the only node of any cluster, at a free port of its address: who comes by it stays with it, since a
    /// driver takes the port that it came by for that of every node. There may be many.
    #[allow(dead_code, reason = "each binary uses its own share")]
    pub fn beside(cluster: &Cluster) -> Self {
        assert_eq!(
            cluster.size(),
            1,
            "nodes would need one port that is free at all"
        );
        Self::stand(cluster, |node| {
            SocketAddr::new(cluster.contact(node).ip(), 0)
        })
    }

    fn stand(cluster: &Cluster, at: impl Fn(usize) -> SocketAddr) -> Self {
        let line = Arc::new(Line {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let listen = |node| {
            let target = cluster.contact(node);
            let listener = TcpListener::bind(at(node)).expect("the proxy listens");
            let address = listener.local_addr().expect("its address");
            let line = Arc::clone(&line);
            std::thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if line.state().over {
                        return;
                    }
                    let line = Arc::clone(&line);
                    std::thread::spawn(move || line.connect(node, client, target));
                }
            });
            address
        };
        let addresses: Vec<SocketAddr> = (1..=cluster.size()).map(listen).collect();
        Self {
            url: cluster.url_at(addresses[0], ""),
            addresses,
            line,
        }
    }

    /// The URL of a keyspace behind the proxy, for the superuser, by the first node.
    pub fn url(&self, keyspace: &str) -> String {
        format!("{}{keyspace}", self.url)
    }

    /// The requests that clients have sent so far.
    pub fn requests(&self) -> usize {
        self.line.state().requests
    }

    /// The answers to them that have come so far.
    pub fn answers(&self) -> usize {
        self.line.state().answers
    }

    /// How many of them prepared a statement.
    pub fn prepared(&self) -> usize {
        self.line.state().prepared
    }

    /// The texts of the statements so far that were sent as a text, in order: to see what request n is.
    pub fn texts(&self) -> Vec<String> {
        self.line.state().texts.clone()
    }

    /// The requests for pages so far, in order.
    #[allow(dead_code, reason = "each binary uses its own share")]
    pub fn pages(&self) -> Vec<Paged> {
        self.line.state().pages.clone()
    }

    /// Counts from 1 again.
    pub fn count_anew(&self) {
        let mut state = self.line.state();
        (state.requests, state.answers, state.prepared) = (0, 0, 0);
        state.texts.clear();
        state.pages.clear();
    }

    /// Does harm once, when a connection comes to the point.
    pub fn harm(&self, at: At, harm: Harm) {
        self.line.state().harms.push((at, harm));
    }

    /// Turns the answers to the next so many prepared statements and batches into the word of a server that is overloaded. They
    /// are done all the same: what a client sends again must bear that.
    pub fn overload(&self, requests: usize) {
        self.overload_slowly(requests, Duration::ZERO);
    }

    /// [`FrameProxy::overload`], each word of it so long in coming, as that of a server is that has no time.
    pub fn overload_slowly(&self, requests: usize, slow: Duration) {
        let mut state = self.line.state();
        (state.overloaded, state.slow) = (requests, slow);
    }

    /// How many are still to come.
    pub fn overloaded(&self) -> usize {
        self.line.state().overloaded
    }

    /// Waits until harm was done so many times.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn await_struck(&self, times: usize) {
        let since = Instant::now();
        let never = || since.elapsed() > PATIENCE;
        assert!(self.wait(times, never), "no connection came to the point");
    }

    /// Waits until harm was done to a kmig that runs.
    ///
    /// # Panics
    /// When it ends before, with all that it said.
    pub fn await_struck_by(&self, running: Running) -> Running {
        running.awaits(|ended| self.struck_or(ended))
    }

    /// Whether a point has not been come to.
    pub fn is_pending(&self) -> bool {
        !self.line.state().harms.is_empty()
    }

    /// Waits until harm was done, or something else is so; whether harm was done.
    pub fn struck_or(&self, otherwise: impl FnMut() -> bool) -> bool {
        self.wait(1, otherwise)
    }

    fn wait(&self, times: usize, mut otherwise: impl FnMut() -> bool) -> bool {
        loop {
            if self.line.state().struck >= times {
                return true;
            }
            if otherwise() {
                return self.line.state().struck >= times;
            }
            drop(self.line.wait(self.line.state(), Duration::from_millis(5)));
        }
    }

    /// Whether every answer that is to be swallowed has come: what was asked is done.
    pub fn swallowed_all(&self) -> bool {
        // Who counts a frame has its connection in hand when it takes the state: never the other way round.
        let pairs = self.line.state().pairs.clone();
        pairs.iter().all(|pair| pair.talk().swallowed.is_empty())
    }

    /// Lets everything pass again.
    pub fn release(&self) {
        let mut state = self.line.state();
        state.held = false;
        for pair in &state.pairs {
            pair.late.store(false, Ordering::SeqCst);
        }
        drop(state);
        self.line.changed.notify_all();
    }

    /// Forgets what harm was done and was still to be done, and lets everything pass.
    pub fn heal(&self) {
        let mut state = self.line.state();
        state.harms.clear();
        (state.struck, state.overloaded) = (0, 0);
        drop(state);
        self.release();
    }

    /// Closes every connection.
    pub fn cut(&self) {
        for pair in self.line.state().pairs.drain(..) {
            pair.close();
        }
        self.line.changed.notify_all();
    }
}

impl Drop for FrameProxy {
    fn drop(&mut self) {
        self.line.state().over = true;
        self.cut();
        // The listening threads look when somebody comes.
        for address in &self.addresses {
            let _ = TcpStream::connect(address);
        }
    }
}
