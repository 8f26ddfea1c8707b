//! A TCP proxy that reads the Postgres protocol: it counts what the client sends, and does harm at an exact point.
//!
//! ```text
//! let line = WireProxy::start(server.port());
//! line.harm(At::After(7), Harm::Hold);      // message 7 reaches the server, its answer reaches nobody
//! let running = project.kmig(["up"]).env("KMIG_URL", line.url(&database)).start();
//! if line.struck_or(|| running.has_ended()) { running.kill(); line.release(); }
//! ```
//!
//! Each message of a client counts, over all connections and from 1: the start-up packet, a cancel request, each piece of
//! a COPY, the farewell; only the request for TLS does not, which the proxy itself declines.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::kmig::Running;

/// How long the proxy may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where harm is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The n-th message of the clients has come, and has not gone on to the server.
    Before(usize),
    /// The n-th message of the clients has gone on to the server.
    After(usize),
    /// A message of a client holds this text, and has gone on to the server.
    Sent(String),
    /// The n-th answer to a COMMIT has come from the server, and has not gone on to the client.
    CommitAnswer(usize),
}

/// What is done there, once, to the connection that came to the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Both ends see the connection closed.
    Cut,
    /// Both ends see it reset.
    Reset,
    /// Nothing passes on any connection, old or new, and no end sees the other close, until [`WireProxy::release`].
    Hold,
    /// As [`Harm::Hold`], for this connection alone; new ones pass.
    Swallow,
}

/// A listening proxy; it lets go of everything when it is dropped.
#[derive(Debug)]
pub struct WireProxy {
    address: SocketAddr,
    line: Arc<Line>,
}

/// What all connections of a proxy share.
#[derive(Debug)]
struct Line {
    messages: AtomicUsize,
    commits: AtomicUsize,
    piece: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    harms: Vec<(At, Harm)>,
    struck: usize,
    held: bool,
    refusing: bool,
    over: bool,
    pairs: Vec<Arc<Pair>>,
}

/// One connection: the client's end and the server's.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    swallowed: AtomicBool,
    closed: AtomicBool,
}

impl WireProxy {
    /// Listens on a free port of 127.0.0.1 for connections to a port there.
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the proxy listens");
        let address = listener.local_addr().expect("the proxy's address");
        let line = Arc::new(Line {
            messages: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            piece: AtomicUsize::new(usize::MAX),
            state: Mutex::new(State {
                target: ([127, 0, 0, 1], port).into(),
                harms: Vec::new(),
                struck: 0,
                held: false,
                refusing: false,
                over: false,
                pairs: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        std::thread::spawn({
            let line = Arc::clone(&line);
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if line.state().over {
                        return;
                    }
                    let line = Arc::clone(&line);
                    std::thread::spawn(move || line.connect(client));
                }
            }
        });
        Self { address, line }
    }

    /// The URL of a database behind the proxy, for the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address)
    }

    /// The messages that clients have sent so far.
    pub fn messages(&self) -> usize {
        self.line.messages.load(Ordering::SeqCst)
    }

    /// Counts messages and answers from 1 again.
    pub fn count_anew(&self) {
        self.line.messages.store(0, Ordering::SeqCst);
        self.line.commits.store(0, Ordering::SeqCst);
    }

    /// Does harm once, when a connection comes to the point.
    pub fn harm(&self, at: At, harm: Harm) {
        self.line.state().harms.push((at, harm));
    }

    /// Waits until harm was done to a kmig that runs.
    ///
    /// # Panics
    /// When it ends before, with all that it said.
    pub fn await_struck_by(&self, running: Running) -> Running {
        running.awaits(|ended| self.struck_or(ended))
    }

    /// Waits until harm was done, or something else is so; whether harm was done.
    pub fn struck_or(&self, mut otherwise: impl FnMut() -> bool) -> bool {
        let mut state = self.line.state();
        loop {
            if state.struck > 0 {
                return true;
            }
            drop(state);
            if otherwise() {
                return self.line.state().struck > 0;
            }
            let moment = Duration::from_millis(5);
            state = self.line.wait(self.line.state(), moment);
        }
    }

    /// From now on new connections go to another port.
    pub fn lead_to(&self, port: u16) {
        self.line.state().target = ([127, 0, 0, 1], port).into();
    }

    /// From now on new connections are closed at once, or no longer.
    pub fn refuse(&self, refuse: bool) {
        self.line.state().refusing = refuse;
    }

    /// Nothing passes any more, on old connections and new ones, and no end sees the other close.
    pub fn hold(&self) {
        self.line.state().held = true;
    }

    /// Lets everything pass again.
    pub fn release(&self) {
        let mut state = self.line.state();
        state.held = false;
        for pair in &state.pairs {
            pair.swallowed.store(false, Ordering::SeqCst);
        }
        drop(state);
        self.line.changed.notify_all();
    }

    /// Forgets what harm was done and what was still to be done, and lets everything pass.
    pub fn heal(&self) {
        let mut state = self.line.state();
        state.harms.clear();
        state.struck = 0;
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

    /// From now on everything is passed on in writes of so many bytes at most.
    pub fn in_pieces_of(&self, bytes: usize) {
        self.line.piece.store(bytes, Ordering::SeqCst);
    }
}

impl Drop for WireProxy {
    fn drop(&mut self) {
        self.line.state().over = true;
        self.cut();
        // The listening thread looks when somebody comes.
        let _ = TcpStream::connect(self.address);
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

    fn connect(self: Arc<Self>, client: TcpStream) {
        let mut state = self.state();
        // Whoever connects to a line that is held is accepted by the system, and hears nothing.
        while state.held && !state.over {
            state = self.wait(state, PATIENCE);
        }
        if state.refusing || state.over {
            return;
        }
        let target = state.target;
        drop(state);
        let Ok(server) = TcpStream::connect(target) else {
            return; // the client sees its connection closed, as it would without a proxy
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let pair = Arc::new(Pair {
            client,
            server,
            swallowed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        self.state().pairs.push(Arc::clone(&pair));
        let down = std::thread::spawn({
            let (line, pair) = (Arc::clone(&self), Arc::clone(&pair));
            move || line.pump(&pair, Side::Server)
        });
        self.pump(&pair, Side::Client);
        let _ = down.join();
        self.state()
            .pairs
            .retain(|other| !Arc::ptr_eq(other, &pair));
    }

    /// Passes on what one side says, message by message, until one end closes.
    fn pump(&self, pair: &Pair, side: Side) {
        let (mut from, to) = match side {
            Side::Client => (&pair.client, &pair.server),
            Side::Server => (&pair.server, &pair.client),
        };
        let mut started = side == Side::Server;
        let mut read = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            read.extend_from_slice(&buffer[..length]);
            let mut ready = Vec::new();
            while let Some(message) = next(&mut read, started) {
                if !started && asks_for_encryption(&message) {
                    if from.write_all(b"N").is_err() {
                        return self.close(pair);
                    }
                    continue;
                }
                started = true;
                let (before, after) = self.points(side, &message);
                if let Some(harm) = before {
                    if !self.pass(pair, to, &ready) {
                        return;
                    }
                    ready.clear();
                    self.strike(pair, harm);
                }
                ready.extend_from_slice(&message);
                if let Some(harm) = after {
                    if !self.pass(pair, to, &ready) {
                        return;
                    }
                    ready.clear();
                    self.strike(pair, harm);
                }
            }
            if !self.pass(pair, to, &ready) {
                return;
            }
        }
        // Behind a line that is held nobody sees the other's end.
        if self.open(pair) {
            self.close(pair);
        }
    }

    /// Counts a message; the harm to be done before and after it is passed on.
    fn points(&self, side: Side, message: &[u8]) -> (Option<Harm>, Option<Harm>) {
        match side {
            Side::Client => {
                let n = self.messages.fetch_add(1, Ordering::SeqCst) + 1;
                let before = self.due(|at| *at == At::Before(n));
                let after = self.due(|at| match at {
                    At::After(wanted) => *wanted == n,
                    At::Sent(text) => contains(message, text.as_bytes()),
                    _ => false,
                });
                (before, after)
            }
            Side::Server if message[0] == b'C' && message[5..] == *b"COMMIT\0" => {
                let n = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
                (self.due(|at| *at == At::CommitAnswer(n)), None)
            }
            Side::Server => (None, None),
        }
    }

    fn due(&self, is: impl Fn(&At) -> bool) -> Option<Harm> {
        let mut state = self.state();
        let found = state.harms.iter().position(|(at, _)| is(at))?;
        Some(state.harms.remove(found).1)
    }

    fn strike(&self, pair: &Pair, harm: Harm) {
        // Nobody sees the harm before it is counted.
        let mut state = self.state();
        match harm {
            Harm::Cut => pair.close(),
            Harm::Reset => pair.reset(),
            Harm::Swallow => pair.swallowed.store(true, Ordering::SeqCst),
            Harm::Hold => state.held = true,
        }
        state.struck += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits as long as nothing may pass; whether the connection is still open.
    fn open(&self, pair: &Pair) -> bool {
        let mut state = self.state();
        loop {
            if state.over || pair.closed.load(Ordering::SeqCst) {
                return false;
            }
            if !state.held && !pair.swallowed.load(Ordering::SeqCst) {
                return true;
            }
            state = self.wait(state, PATIENCE);
        }
    }

    /// Writes, once something may pass; whether that was possible.
    fn pass(&self, pair: &Pair, mut to: &TcpStream, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let passed = self.open(pair)
            && bytes
                .chunks(self.piece.load(Ordering::SeqCst))
                .all(|piece| to.write_all(piece).is_ok());
        if !passed {
            self.close(pair);
        }
        passed
    }

    fn close(&self, pair: &Pair) {
        pair.close();
        self.changed.notify_all();
    }
}

impl Pair {
    fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            let _ = self.client.shutdown(Shutdown::Both);
            let _ = self.server.shutdown(Shutdown::Both);
        }
    }

    /// Closed for reading only, both threads come to their end without a farewell; the last handle then resets.
    fn reset(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            for end in [&self.client, &self.server] {
                let _ = socket2::SockRef::from(end).set_linger(Some(Duration::ZERO));
                let _ = end.shutdown(Shutdown::Read);
            }
        }
    }
}

/// Which end speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Takes the next whole message. A client's first one has no type (server documentation, "Message Formats").
fn next(read: &mut Vec<u8>, started: bool) -> Option<Vec<u8>> {
    let head = usize::from(started);
    let length = read.get(head..head + 4)?;
    let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
    let whole = head + usize::try_from(length).expect("a length");
    (read.len() >= whole).then(|| read.drain(..whole).collect())
}

/// `SSLRequest` or `GSSENCRequest`.
fn asks_for_encryption(message: &[u8]) -> bool {
    let code = message.get(4..8);
    [80_877_103_u32, 80_877_104]
        .iter()
        .any(|wanted| code == Some(&wanted.to_be_bytes()[..]))
}

fn contains(message: &[u8], text: &[u8]) -> bool {
    message.windows(text.len()).any(|window| window == text)
}
