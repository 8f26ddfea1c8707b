//! A running application, whichever database it uses: clients that make requests until they are told to leave.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two requests of a client, so that the machine has time for the rest of the demo.
const PACE: Duration = Duration::from_millis(2);

/// What consumers.status of 1.0 and consumers.state of 2.0 say.
pub const STATES: [&str; 3] = ["active", "suspended", "closed"];

/// The number that 1.0 writes for a state.
pub fn code(state: usize) -> i32 {
    i32::try_from(state).unwrap_or(i32::MAX - 1) + 1
}

/// The two versions of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Knows consumers.status, a number.
    One,
    /// Knows consumers.state, a word.
    Two,
}

impl Version {
    /// How its clients announce themselves.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "gateway/1.0",
            Self::Two => "gateway/2.0",
        }
    }
}

/// One client at work.
pub trait Client: Send + 'static {
    /// By what its consumers are known.
    type Key: Clone + Ord + Send;

    /// What a request does is decided by its number. An error, or a wrong answer, is an `Err`.
    fn request(&mut self, number: u64) -> impl Future<Output = Result<(), String>> + Send;

    /// The consumers that it made, and the state that it gave them last.
    fn wrote(&self) -> &Wrote<Self::Key>;

    /// Closes its connection.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Consumers, and the state that they were given last: an index into [`STATES`].
pub type Wrote<K> = BTreeMap<K, usize>;

/// One of the consumers that a client made, another one every few requests; nothing where it has made none.
pub fn pick<K: Clone>(wrote: &Wrote<K>, number: u64) -> Option<K> {
    let nth = usize::try_from(number / 7).unwrap_or(0) % wrote.len().max(1);
    wrote.keys().nth(nth).cloned()
}

/// A running application.
pub struct Application<K> {
    version: Version,
    tally: Arc<Tally>,
    leave: watch::Sender<bool>,
    clients: Vec<Running<K>>,
}

struct Running<K> {
    requests: watch::Receiver<u64>,
    task: JoinHandle<Wrote<K>>,
}

/// What the clients of an application count together.
#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    errors: AtomicU64,
    slowest_micros: AtomicU64,
    slowest_lately_micros: AtomicU64,
    first_error: std::sync::OnceLock<String>,
}

/// The counts at one moment.
#[derive(Clone, Debug)]
pub struct Count {
    /// Requests that were answered, rightly or not.
    pub requests: u64,
    /// Those with an error, or with a wrong answer.
    pub errors: u64,
    /// The longest that one took.
    pub slowest: Duration,
    /// The longest that one took since the last [`Application::look_anew`].
    pub slowest_lately: Duration,
    /// The first error's text.
    pub first_error: Option<String>,
}

/// What a running application tells of itself while it runs.
pub trait Counted {
    /// How its clients announce themselves.
    fn name(&self) -> &'static str;

    /// The counts now.
    fn count(&self) -> Count;

    /// Begins anew with what was slowest lately.
    fn look_anew(&self);
}

impl<K> Counted for Application<K> {
    fn name(&self) -> &'static str {
        self.version.name()
    }

    fn count(&self) -> Count {
        self.tally.count()
    }

    fn look_anew(&self) {
        self.tally.slowest_lately_micros.store(0, Ordering::Relaxed);
    }
}

impl<K: Clone + Ord + Send + 'static> Application<K> {
    /// Lets clients begin.
    pub fn start<C: Client<Key = K>>(version: Version, clients: Vec<C>) -> Self {
        let (leave, leaving) = watch::channel(false);
        let tally = Arc::<Tally>::default();
        let clients = clients.into_iter().map(|client| {
            let (counting, requests) = watch::channel(0);
            let (tally, leaving) = (Arc::clone(&tally), leaving.clone());
            let task =
                tokio::spawn(
                    async move { go_on(client, version, &tally, &counting, &leaving).await },
                );
            Running { requests, task }
        });
        Self {
            clients: clients.collect(),
            version,
            tally,
            leave,
        }
    }

    /// Waits until each client has made so many more requests.
    pub async fn more_requests(&mut self, more: u64) -> Result<(), String> {
        let goals: Vec<u64> = self
            .clients
            .iter()
            .map(|client| *client.requests.borrow() + more)
            .collect();
        for (client, goal) in self.clients.iter_mut().zip(goals) {
            let wait = client.requests.wait_for(|requests| *requests >= goal);
            wait.await
                .map_err(|_| format!("a client of {} is gone", self.version.name()))?;
        }
        Ok(())
    }

    /// Lets every client end what it is doing and close its connection; what they wrote.
    pub async fn leave(self) -> (Count, Wrote<K>) {
        let _ = self.leave.send(true);
        let mut wrote = Wrote::new();
        for client in self.clients {
            match client.task.await {
                Ok(part) => wrote.extend(part),
                Err(error) => self.tally.error(format!("a client broke off: {error}")),
            }
        }
        (self.tally.count(), wrote)
    }
}

impl Tally {
    fn count(&self) -> Count {
        Count {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            slowest: Duration::from_micros(self.slowest_micros.load(Ordering::Relaxed)),
            slowest_lately: Duration::from_micros(
                self.slowest_lately_micros.load(Ordering::Relaxed),
            ),
            first_error: self.first_error.get().cloned(),
        }
    }

    fn error(&self, text: String) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let _ = self.first_error.set(text);
    }
}

/// Makes requests until it is time to leave.
async fn go_on<C: Client>(
    mut client: C,
    version: Version,
    tally: &Tally,
    counting: &watch::Sender<u64>,
    leaving: &watch::Receiver<bool>,
) -> Wrote<C::Key> {
    let mut number = 0;
    while !*leaving.borrow() {
        let since = Instant::now();
        if let Err(error) = client.request(number).await {
            tally.error(format!("{}: {error}", version.name()));
        }
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        for slowest in [&tally.slowest_micros, &tally.slowest_lately_micros] {
            slowest.fetch_max(micros, Ordering::Relaxed);
        }
        tally.requests.fetch_add(1, Ordering::Relaxed);
        number += 1;
        counting.send_replace(number);
        tokio::time::sleep(PACE).await;
    }
    let wrote = client.wrote().clone();
    client.close().await;
    wrote
}
