//! The application on Cassandra, in two versions. Each has one session, as applications do, and reads and writes at QUORUM.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, SelfIdentity};
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::serialize::row::SerializeRow;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::Row;

use super::application::{Application, Client, STATES, Version, Wrote, code, pick};
use super::support::cassandra::Cluster;

/// How often a request is sent that was not answered, and how long it waits in between. For some milliseconds of an ALTER
/// the nodes do not know the same columns, and Cassandra refuses reads between such; each change also makes a node forget
/// what was prepared on the table, and the driver prepares once more, not twice. An application has to be able to repeat
/// them, as it has when a node dies. Every request here comes to the same when it is repeated.
const TRIES_MAX: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// A version's session with the cluster, and its prepared statements; they are used to the end, through every change of the
/// schema.
#[derive(Clone)]
pub struct Session {
    version: Version,
    session: Arc<scylla::client::session::Session>,
    /// Set once 1.0 is gone and its rows are filled: then 2.0 leaves the number alone.
    alone: Arc<AtomicBool>,
    repeated: Arc<AtomicU64>,
}

impl Session {
    /// Connects.
    pub async fn open(version: Version, cluster: &Cluster) -> Result<Self, String> {
        let (name, number) = version.name().split_once('/').unwrap_or_default();
        let identity = SelfIdentity::new()
            .with_application_name(name)
            .with_application_version(number);
        let session = SessionBuilder::new()
            .known_node_addr(cluster.contact(1))
            .use_keyspace("gateway", true)
            .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
            .custom_identity(identity)
            .build()
            .await
            .map_err(|error| format!("{} cannot connect: {error}", version.name()))?;
        Ok(Self {
            version,
            session: Arc::new(session),
            alone: Arc::default(),
            repeated: Arc::default(),
        })
    }

    /// Starts so many clients.
    pub async fn start(&self, clients: u32) -> Result<Application<String>, String> {
        let mut work = Vec::new();
        for number in 0..clients {
            let prepared = Work::prepare(self.clone(), number).await;
            work.push(
                prepared
                    .map_err(|error| format!("{} cannot prepare: {error}", self.version.name()))?,
            );
        }
        Ok(Application::start(self.version, work))
    }

    async fn prepare(&self, text: &str) -> Result<PreparedStatement, String> {
        let mut statement = self.session.prepare(text).await.map_err(shown)?;
        statement.set_consistency(Consistency::Quorum);
        Ok(statement)
    }

    /// Does the job that the backfill part gave to 2.0: a word for every row that has a number only. How many it were.
    pub async fn fill(&self) -> Result<usize, String> {
        let all = self
            .prepare("select username, status, state from consumers")
            .await?;
        // An insert that 1.0 sent a moment before it left has the number; nobody else writes these rows any more.
        let set = self
            .prepare("update consumers set state = ? where username = ?")
            .await?;
        let rows = self.rows(&all, ()).await?;
        let mut filled = 0;
        for row in rows {
            let [Some(name), Some(status), None] = &row.columns[..] else {
                continue;
            };
            let (Some(name), Some(status)) = (name.as_text(), status.as_int()) else {
                continue;
            };
            let state = usize::try_from(status - 1)
                .ok()
                .and_then(|at| STATES.get(at));
            let state = state.ok_or_else(|| format!("{name} has the status {status}"))?;
            self.rows(&set, (*state, name)).await?;
            filled += 1;
        }
        let done = self
            .prepare("update consumer_jobs set done = true where name = 'consumer_state'")
            .await?;
        self.rows(&done, ()).await?;
        self.alone.store(true, Ordering::SeqCst);
        Ok(filled)
    }

    /// How many requests were sent again.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    async fn rows(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<Row>, String> {
        let mut tried = 1;
        let answer = loop {
            match self.session.execute_unpaged(statement, &values).await {
                Ok(answer) => break answer,
                Err(error) if tried < TRIES_MAX && unanswered(&error) => {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    tried += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(shown(error)),
            }
        };
        if !answer.is_rows() {
            return Ok(Vec::new());
        }
        let answer = answer.into_rows_result().map_err(shown)?;
        let rows = answer.rows::<Row>().map_err(shown)?;
        rows.collect::<Result<_, _>>().map_err(shown)
    }
}

/// The statements that depend on which columns a client uses.
struct Texts {
    sign_up: PreparedStatement,
    change: PreparedStatement,
    read: PreparedStatement,
}

/// One client at work.
struct Work {
    session: Session,
    number: u32,
    /// With the number: 1.0 always, 2.0 beside 1.0.
    both: Texts,
    /// With the word alone: 2.0 once it is alone.
    word: Option<Texts>,
    join: PreparedStatement,
    call: PreparedStatement,
    wrote: Wrote<String>,
}

impl Work {
    async fn prepare(session: Session, number: u32) -> Result<Self, String> {
        let (both, word, join) = match session.version {
            Version::One => (
                Texts {
                    sign_up: session
                        .prepare("insert into consumers (username, status, calls) values (?, ?, 0)")
                        .await?,
                    change: session
                        .prepare("update consumers set status = ? where username = ?")
                        .await?,
                    read: session
                        .prepare("select status from consumers where username = ?")
                        .await?,
                },
                None,
                "insert into consumer_groups (consumer, name) values (?, 'users')",
            ),
            Version::Two => (
                Texts {
                    sign_up: session
                        .prepare("insert into consumers (username, status, state, calls) values (?, ?, ?, 0)")
                        .await?,
                    change: session
                        .prepare("update consumers set status = ?, state = ? where username = ?")
                        .await?,
                    read: session
                        .prepare("select status, state from consumers where username = ?")
                        .await?,
                },
                Some(Texts {
                    sign_up: session
                        .prepare("insert into consumers (username, state, calls) values (?, ?, 0)")
                        .await?,
                    change: session
                        .prepare("update consumers set state = ? where username = ?")
                        .await?,
                    read: session
                        .prepare("select state from consumers where username = ?")
                        .await?,
                }),
                "insert into consumer_groups (consumer, name, expires_at) values (?, 'users', 4102444800000)",
            ),
        };
        Ok(Self {
            join: session.prepare(join).await?,
            call: session
                .prepare("update consumers set calls = ? where username = ?")
                .await?,
            session,
            number,
            both,
            word,
            wrote: Wrote::new(),
        })
    }

    /// The statements for now, and whether they name the word alone.
    fn texts(&self) -> (&Texts, bool) {
        match &self.word {
            Some(word) if self.session.alone.load(Ordering::SeqCst) => (word, true),
            _ => (&self.both, false),
        }
    }

    async fn sign_up(&mut self, number: u64, state: usize) -> Result<(), String> {
        let name = format!("{}-{}-{number}", self.session.version.name(), self.number);
        let (texts, alone) = self.texts();
        let word = STATES[state];
        match (self.session.version, alone) {
            (Version::One, _) => {
                let values = (&name, code(state));
                self.session.rows(&texts.sign_up, values).await?
            }
            (Version::Two, false) => {
                let values = (&name, code(state), word);
                self.session.rows(&texts.sign_up, values).await?
            }
            (Version::Two, true) => self.session.rows(&texts.sign_up, (&name, word)).await?,
        };
        self.session.rows(&self.join, (&name,)).await?;
        self.wrote.insert(name, state);
        Ok(())
    }

    async fn change(&mut self, name: String, state: usize) -> Result<(), String> {
        let (texts, alone) = self.texts();
        let word = STATES[state];
        match (self.session.version, alone) {
            (Version::One, _) => {
                let values = (code(state), &name);
                self.session.rows(&texts.change, values).await?
            }
            (Version::Two, false) => {
                let values = (code(state), word, &name);
                self.session.rows(&texts.change, values).await?
            }
            (Version::Two, true) => self.session.rows(&texts.change, (word, &name)).await?,
        };
        self.wrote.insert(name, state);
        Ok(())
    }

    /// Reads its own consumer, and finds what it wrote last.
    async fn read(&self, name: &String) -> Result<(), String> {
        let (texts, _) = self.texts();
        let rows = self.session.rows(&texts.read, (name,)).await?;
        let row = rows.first().ok_or_else(|| format!("{name} is gone"))?;
        let last = row.columns.last().cloned().flatten();
        let found = last.map_or_else(String::new, |value| match value.as_text() {
            Some(word) => word.clone(),
            None => value.as_int().map_or_else(String::new, |n| n.to_string()),
        });
        let written = self.wrote[name];
        let wanted = match self.session.version {
            Version::One => code(written).to_string(),
            Version::Two => STATES[written].to_owned(),
        };
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{name} is {found}, not {wanted}"))
        }
    }
}

impl Client for Work {
    type Key = String;

    /// A signup now and then; else a read, a call, or a change of state.
    async fn request(&mut self, number: u64) -> Result<(), String> {
        let wanted = usize::try_from(number % 3).unwrap_or(0);
        match (number % 6, pick(&self.wrote, number)) {
            (0, _) | (_, None) => self.sign_up(number, wanted).await,
            (2, Some(name)) => self.change(name, wanted).await,
            (4, Some(name)) => {
                let calls = i64::try_from(number).unwrap_or(i64::MAX);
                let called = self.session.rows(&self.call, (calls, name)).await;
                called.map(drop)
            }
            (_, Some(name)) => self.read(&name).await,
        }
    }

    fn wrote(&self) -> &Wrote<String> {
        &self.wrote
    }

    async fn close(self) {}
}

/// Whether replicas failed to answer, not enough of them did in time, or the statement was forgotten again between its
/// being prepared and its being sent.
fn unanswered(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::ReadFailure { .. }
                | DbError::WriteFailure { .. }
                | DbError::ReadTimeout { .. }
                | DbError::WriteTimeout { .. }
                | DbError::Unprepared { .. },
            _
        ))
    )
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}
