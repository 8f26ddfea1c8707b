//! What all connections through the proxy share, and how one is passed on, frame by frame.

use std::collections::HashSet;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::{
    BATCH, EXECUTE, PREPARE, REGISTER, REQUESTS, contains, next, overloaded, page_size, stream,
    text,
};
use super::{At, Harm, PATIENCE, Paged};

/// What all connections share.
pub struct Line {
    pub state: Mutex<State>,
    pub changed: Condvar,
}

#[derive(Default)]
pub struct State {
    pub requests: usize,
    pub answers: usize,
    pub prepared: usize,
    pub texts: Vec<String>,
    pub pages: Vec<Paged>,
    /// Requests for pages that are not answered.
    pub paging: usize,
    pub harms: Vec<(At, Harm)>,
    pub struck: usize,
    pub overloaded: usize,
    /// How long the answer of a server that is overloaded is in coming.
    pub slow: Duration,
    pub held: bool,
    pub over: bool,
    pub pairs: Vec<Arc<Pair>>,
}

/// One connection: the client's end and the node's.
pub struct Pair {
    pub node: usize,
    pub client: TcpStream,
    pub server: TcpStream,
    pub closed: AtomicBool,
    pub late: AtomicBool,
    pub talk: Mutex<Talk>,
}

/// What a connection has in hand.
#[derive(Default)]
pub struct Talk {
    /// Whether it is a driver's control connection.
    pub control: bool,
    /// The streams of requests that are not answered.
    pub asked: HashSet<[u8; 2]>,
    /// Those of them that ask for a page.
    pub paging: HashSet<[u8; 2]>,
    /// Those of them whose answer does not pass.
    pub swallowed: HashSet<[u8; 2]>,
    /// Those of them whose answer is another one.
    pub turned: HashSet<[u8; 2]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

impl Line {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        moment: Duration,
    ) -> MutexGuard<'a, State> {
        let (state, _) = self
            .changed
            .wait_timeout(state, moment)
            .unwrap_or_else(PoisonError::into_inner);
        state
    }

    pub fn connect(self: Arc<Self>, node: usize, client: TcpStream, target: SocketAddr) {
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
    pub fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swallows(&self, frame: &[u8]) -> bool {
        self.talk().swallowed.remove(&stream(frame))
    }

    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            let _ = self.client.shutdown(Shutdown::Both);
            let _ = self.server.shutdown(Shutdown::Both);
        }
    }
}
