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

use std::collections::HashSet;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cassandra::Cluster;
use super::kmig::Running;
use frame::{
    BATCH, EXECUTE, PREPARE, REGISTER, REQUESTS, contains, next, overloaded, page_size, stream,
    text,
};

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

/// What all connections share.
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: usize,
    answers: usize,
    prepared: usize,
    texts: Vec<String>,
    pages: Vec<Paged>,
    /// Requests for pages that are not answered.
    paging: usize,
    harms: Vec<(At, Harm)>,
    struck: usize,
    overloaded: usize,
    /// How long the answer of a server that is overloaded is in coming.
    slow: Duration,
    held: bool,
    over: bool,
    pairs: Vec<Arc<Pair>>,
}

/// One connection: the client's end and the node's.
struct Pair {
    node: usize,
    client: TcpStream,
    server: TcpStream,
    closed: AtomicBool,
    late: AtomicBool,
    talk: Mutex<Talk>,
}

/// What a connection has in hand.
#[derive(Default)]
struct Talk {
    /// Whether it is a driver's control connection.
    control: bool,
    /// The streams of requests that are not answered.
    asked: HashSet<[u8; 2]>,
    /// Those of them that ask for a page.
    paging: HashSet<[u8; 2]>,
    /// Those of them whose answer does not pass.
    swallowed: HashSet<[u8; 2]>,
    /// Those of them whose answer is another one.
    turned: HashSet<[u8; 2]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
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
    pub fn await_struck_by(&self, mut running: Running) -> Running {
        let since = Instant::now();
        if !self.struck_or(|| running.has_ended() || since.elapsed() > PATIENCE) {
            panic!("it did not come to the point: {}", running.kill());
        }
        running
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

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, moment: Duration) -> MutexGuard<'a, State> {
        let (state, _) = self
            .changed
            .wait_timeout(state, moment)
            .unwrap_or_else(PoisonError::into_inner);
        state
    }

    fn connect(self: Arc<Self>, node: usize, client: TcpStream, target: SocketAddr) {
        let mut state = self.state();
        // Whoever connects to a line that is held is accepted by the system, and hears nothing.
        while state.held && !state.over {
            state = self.wait(state, PATIENCE);
        }
        let over = state.over;
        drop(state);
        // Where the node does not listen the client sees its connection closed.
        let Ok(server) = TcpStream::connect(target) else {
            return;
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let pair = Arc::new(Pair {
            node,
            client,
            server,
            closed: AtomicBool::new(over),
            late: AtomicBool::new(false),
            talk: Mutex::default(),
        });
        self.state().pairs.push(Arc::clone(&pair));
        let down = std::thread::spawn({
            let (line, pair) = (Arc::clone(&self), Arc::clone(&pair));
            move || line.pump(&pair, Side::Server)
        });
        self.pump(&pair, Side::Client);
        let _ = down.join();
        let unanswered = pair.talk().paging.len();
        let mut state = self.state();
        state.paging -= unanswered;
        state.pairs.retain(|other| !Arc::ptr_eq(other, &pair));
    }

    /// Passes on what one side says, frame by frame, until one end closes.
    fn pump(&self, pair: &Pair, side: Side) {
        let (mut from, mut to) = match side {
            Side::Client => (&pair.client, &pair.server),
            Side::Server => (&pair.server, &pair.client),
        };
        while let Some(mut frame) = next(&mut from) {
            let (before, after) = self.points(pair, side, &frame);
            let mut passes = side == Side::Client || !pair.swallows(&frame);
            if let Some(harm) = before {
                passes &= !matches!(harm, Harm::Swallow);
                self.strike(pair, harm);
            }
            if !passes {
                continue;
            }
            if !self.open(pair) {
                break;
            }
            if side == Side::Server && pair.talk().turned.remove(&stream(&frame)) {
                frame = overloaded(&frame);
                let slow = self.state().slow;
                std::thread::sleep(slow);
            }
            if let Some(harm) = &after {
                self.arm(pair, &frame, harm);
            }
            if to.write_all(&frame).is_err() {
                break;
            }
            if let Some(harm) = after {
                self.strike(pair, harm);
            }
        }
        // Behind a line that is held nobody sees the other's end.
        if self.open(pair) {
            pair.close();
            self.changed.notify_all();
        }
    }

    /// Counts a frame; the harm to be done before and after it is passed on.
    fn points(&self, pair: &Pair, side: Side, frame: &[u8]) -> (Option<Harm>, Option<Harm>) {
        let mut talk = pair.talk();
        let (stream, opcode) = (stream(frame), frame[4]);
        let mut state = self.state();
        match side {
            Side::Client => {
                talk.control |= opcode == REGISTER;
                if talk.control || !REQUESTS.contains(&opcode) {
                    return (None, None);
                }
                talk.asked.insert(stream);
                if state.overloaded > 0 && [EXECUTE, BATCH].contains(&opcode) {
                    state.overloaded -= 1;
                    talk.turned.insert(stream);
                }
                if let Some(rows) = page_size(frame) {
                    talk.paging.insert(stream);
                    state.paging += 1;
                    let under_way = state.paging;
                    state.pages.push(Paged { rows, under_way });
                }
                state.requests += 1;
                state.prepared += usize::from(opcode == PREPARE);
                let statement = text(frame);
                state.texts.extend(statement.clone());
                let n = state.requests;
                let before = state.due(|at| match at {
                    At::Before(wanted) => *wanted == n,
                    At::Sending(text) => contains(frame, text.as_bytes()),
                    _ => false,
                });
                let after = state.due(|at| match at {
                    At::After(wanted) => *wanted == n,
                    At::Sent(text) => contains(frame, text.as_bytes()),
                    At::Statement(text) => {
                        statement.as_ref().is_some_and(|all| all.starts_with(text))
                    }
                    _ => false,
                });
                match after {
                    Some(Harm::Late) => (after, None),
                    _ => (before, after),
                }
            }
            Side::Server => {
                if !talk.asked.remove(&stream) {
                    return (None, None);
                }
                state.paging -= usize::from(talk.paging.remove(&stream));
                state.answers += 1;
                let n = state.answers;
                (state.due(|at| *at == At::Answer(n)), None)
            }
        }
    }

    /// Sees to it, before a request goes on to its node, that no answer is faster than the harm.
    fn arm(&self, pair: &Pair, frame: &[u8], harm: &Harm) {
        match harm {
            Harm::Hold => self.state().held = true,
            Harm::Cut | Harm::Swallow => {
                pair.talk().swallowed.insert(stream(frame));
            }
            Harm::Late | Harm::Call(_) => {}
        }
    }

    fn strike(&self, pair: &Pair, harm: Harm) {
        match harm {
            Harm::Cut => pair.close(),
            Harm::Hold => self.state().held = true,
            Harm::Late => pair.late.store(true, Ordering::SeqCst),
            Harm::Call(call) => call(pair.node),
            Harm::Swallow => {} // the frame's own way ends, nothing else changes
        }
        // It is counted once it is done.
        self.state().struck += 1;
        self.changed.notify_all();
    }

    /// Waits as long as nothing may pass; whether the connection is still open.
    fn open(&self, pair: &Pair) -> bool {
        let mut state = self.state();
        loop {
            if state.over || pair.closed.load(Ordering::SeqCst) {
                return false;
            }
            if !(state.held || pair.late.load(Ordering::SeqCst)) {
                return true;
            }
            state = self.wait(state, PATIENCE);
        }
    }
}

impl State {
    fn due(&mut self, is: impl Fn(&At) -> bool) -> Option<Harm> {
        let found = self.harms.iter().position(|(at, _)| is(at))?;
        Some(self.harms.remove(found).1)
    }
}

impl Pair {
    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swallows(&self, frame: &[u8]) -> bool {
        self.talk().swallowed.remove(&stream(frame))
    }

    fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            let _ = self.client.shutdown(Shutdown::Both);
            let _ = self.server.shutdown(Shutdown::Both);
        }
    }
}
