//! The application in two versions: clients that read and write in their own way until they are told to leave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, Statement};

/// Between two requests of a client, so that the machine has time for the rest of the demo.
const PACE: Duration = Duration::from_millis(2);

/// What consumers.status of 1.0 and consumers.state of 2.0 say.
pub const STATES: [&str; 3] = ["active", "suspended", "closed"];

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

/// A running application: some clients, each with a connection of its own.
pub struct Application {
    version: Version,
    tally: Arc<Tally>,
    leave: watch::Sender<bool>,
    clients: Vec<Running>,
}

struct Running {
    requests: watch::Receiver<u64>,
    task: JoinHandle<Wrote>,
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

/// The consumers that a client made, and the state that it gave them last: an index into [`STATES`].
pub type Wrote = BTreeMap<i64, usize>;

impl Application {
    /// Starts so many clients.
    pub async fn start(version: Version, url: &str, clients: u32) -> Result<Self, String> {
        let (leave, leaving) = watch::channel(false);
        let mut application = Self {
            version,
            tally: Arc::default(),
            leave,
            clients: Vec::new(),
        };
        for number in 0..clients {
            let url = format!("{url}?application_name={}", version.name());
            let (client, connection) = tokio_postgres::connect(&url, NoTls)
                .await
                .map_err(|error| format!("{} cannot connect: {error}", version.name()))?;
            let connection = tokio::spawn(connection);
            let work = Work::prepare(version, client, number)
                .await
                .map_err(|error| format!("{} cannot prepare: {error}", version.name()))?;
            let (counting, requests) = watch::channel(0);
            let (tally, leaving) = (Arc::clone(&application.tally), leaving.clone());
            let task = tokio::spawn(async move {
                let wrote = work.go_on(&tally, &counting, &leaving).await;
                let _ = connection.await; // the client is dropped: the connection closes
                wrote
            });
            application.clients.push(Running { requests, task });
        }
        Ok(application)
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

    /// How its clients announce themselves.
    pub fn name(&self) -> &'static str {
        self.version.name()
    }

    /// The counts now.
    pub fn count(&self) -> Count {
        self.tally.count()
    }

    /// Begins anew with what was slowest lately.
    pub fn look_anew(&self) {
        self.tally.slowest_lately_micros.store(0, Ordering::Relaxed);
    }

    /// Lets every client end what it is doing and close its connection; what they wrote.
    pub async fn leave(self) -> (Count, Wrote) {
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

/// One client at work. Its statements are prepared once and used to the end, through every change of the schema; they
/// name their columns, since `select *` does not survive a new one.
struct Work {
    version: Version,
    client: Client,
    number: u32,
    sign_up: Statement,
    join: Statement,
    read: Statement,
    call: Statement,
    change: Statement,
    wrote: Wrote,
}

impl Work {
    async fn prepare(
        version: Version,
        client: Client,
        number: u32,
    ) -> Result<Self, tokio_postgres::Error> {
        let column = match version {
            Version::One => "status",
            Version::Two => "state",
        };
        let sign_up = format!(
            "insert into consumers (username, {column}) values ($1, $2) returning id, {column}"
        );
        let read = format!(
            "select c.id, c.username, c.{column}, c.calls, g.name \
             from consumers c left join consumer_groups g on g.consumer_id = c.id where c.id = $1"
        );
        let change = format!("update consumers set {column} = $2 where id = $1");
        let join = match version {
            Version::One => "insert into consumer_groups (consumer_id, name) values ($1, 'users')",
            Version::Two => {
                "insert into consumer_groups (consumer_id, name, expires_at) \
                 values ($1, 'users', now() + interval '1 year')"
            }
        };
        Ok(Self {
            sign_up: client.prepare(&sign_up).await?,
            join: client.prepare(join).await?,
            read: client.prepare(&read).await?,
            call: client
                .prepare("update consumers set calls = calls + 1 where id = $1 returning calls")
                .await?,
            change: client.prepare(&change).await?,
            version,
            client,
            number,
            wrote: Wrote::new(),
        })
    }

    /// Makes requests until it is time to leave.
    async fn go_on(
        mut self,
        tally: &Tally,
        counting: &watch::Sender<u64>,
        leaving: &watch::Receiver<bool>,
    ) -> Wrote {
        let mut number = 0;
        while !*leaving.borrow() {
            let since = Instant::now();
            if let Err(error) = self.request(number).await {
                tally.error(error);
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
        self.wrote
    }

    /// A signup now and then, in a transaction of two statements; else a read, a call, or a change of state.
    async fn request(&mut self, number: u64) -> Result<(), String> {
        let known = self
            .wrote
            .keys()
            .nth(usize::try_from(number / 7).unwrap_or(0) % self.wrote.len().max(1))
            .copied();
        let wanted = usize::try_from(number % 3).unwrap_or(0);
        let outcome = match (number % 6, known) {
            (0, _) | (_, None) => self.sign_up(number, wanted).await,
            (2, Some(id)) => self.change(id, wanted).await,
            (4, Some(id)) => self.call(id).await,
            (_, Some(id)) => self.read(id).await,
        };
        outcome.map_err(|error| format!("{}: {error}", self.version.name()))
    }

    async fn sign_up(&mut self, number: u64, state: usize) -> Result<(), String> {
        let username = format!("{}-{}-{number}", self.version.name(), self.number);
        let transaction = self.client.transaction().await.map_err(text)?;
        let row = match self.version {
            Version::One => {
                transaction
                    .query_one(&self.sign_up, &[&username, &code(state)])
                    .await
            }
            Version::Two => {
                transaction
                    .query_one(&self.sign_up, &[&username, &STATES[state]])
                    .await
            }
        };
        let id: i64 = row.map_err(text)?.try_get("id").map_err(text)?;
        transaction
            .execute(&self.join, &[&id])
            .await
            .map_err(text)?;
        transaction.commit().await.map_err(text)?;
        self.wrote.insert(id, state);
        Ok(())
    }

    async fn change(&mut self, id: i64, state: usize) -> Result<(), String> {
        let rows = match self.version {
            Version::One => {
                self.client
                    .execute(&self.change, &[&id, &code(state)])
                    .await
            }
            Version::Two => {
                self.client
                    .execute(&self.change, &[&id, &STATES[state]])
                    .await
            }
        };
        match rows.map_err(text)? {
            1 => {
                self.wrote.insert(id, state);
                Ok(())
            }
            rows => Err(format!("changed {rows} rows of consumer {id}")),
        }
    }

    async fn call(&self, id: i64) -> Result<(), String> {
        let row = self
            .client
            .query_one(&self.call, &[&id])
            .await
            .map_err(text)?;
        let calls: i64 = row.try_get("calls").map_err(text)?;
        if calls > 0 {
            Ok(())
        } else {
            Err(format!("consumer {id} has {calls} calls"))
        }
    }

    /// Reads its own consumer, and finds what it wrote last.
    async fn read(&self, id: i64) -> Result<(), String> {
        let row = self
            .client
            .query_one(&self.read, &[&id])
            .await
            .map_err(text)?;
        let state = match self.version {
            Version::One => row.try_get::<_, i32>("status").map_err(text)?.to_string(),
            Version::Two => row.try_get::<_, String>("state").map_err(text)?,
        };
        let written = self.wrote[&id];
        let wanted = match self.version {
            Version::One => code(written).to_string(),
            Version::Two => STATES[written].to_owned(),
        };
        if state == wanted {
            Ok(())
        } else {
            Err(format!("consumer {id} is {state}, not {wanted}"))
        }
    }
}

/// The number that 1.0 writes for a state.
fn code(state: usize) -> i32 {
    i32::try_from(state).unwrap_or(i32::MAX - 1) + 1
}

/// An error of the server with what it said, which the driver's own text leaves out.
fn text(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => error.to_string(),
    }
}
