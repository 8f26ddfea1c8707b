//! Poolers between kmig and the server, told apart before anything is left behind in a session that may be the
//! application's next (traps P14).
//!
//! A pooler shows by the process id that it announces, which is not that of the server process that answers. Whether it
//! keeps one server process for one client is found out from a second connection, by queries only:
//!
//! | seen | means |
//! |---|---|
//! | both sessions are answered by the same server process | shared |
//! | the first one's process changes | shared |
//! | the first one's process ran something that the first one did not send | shared |
//! | the second is kept waiting while the first is answered | the first has a process of its own |
//! | none of these in any round | a process of its own |
//!
//! What is left of doubt ends under the lock: the second session must not get it too.

use super::connect::{Connection, connect};
use super::fault::Fault;
use super::query::rows;
use super::{Postgres, session};
use crate::error::{Error, Exit, Result};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::Client;

/// Rounds of looking, each with a second connection of its own: several poolers may share one address.
const ROUNDS: usize = 4;

/// How long the second connection may be kept waiting before the first is asked whether it is better off.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the first has to be better off.
const WAITS: usize = 3;

/// How long a full pool may keep both waiting.
const PATIENCE_MAX: Duration = Duration::from_secs(20);

/// The refusal of a pooler that shares its server sessions.
pub fn refused(why: &str) -> Error {
    Error::new(
        Exit::Refused,
        format!("there is a pooler in between that gives each transaction another server session: {why}. An executor's lock would exclude nobody there"),
    )
    .next("--url of the server itself, or of a pool in session mode (PgBouncer: pool_mode=session); status, list, plan, check and wait work through any pooler")
}

/// Which server process answered, and when it began to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    pid: i32,
    at: String,
    /// When the other session's process was last asked anything, as far as that is to be seen.
    other: Option<String>,
}

impl Postgres {
    /// Whether another process answers than the one that was announced.
    pub(super) fn pooled(&self) -> bool {
        self.pid != self.connection.backend_pid
    }

    /// Makes sure, as far as queries can, that this session keeps its server process; with a second session for the last
    /// test where it is still needed.
    pub(super) async fn own_process(&self) -> Result<Option<Connection>> {
        let mut round = 0;
        loop {
            let other = connect(&self.target).await.map_err(|refused| {
                let mut error = Error::from(refused);
                error.message = format!(
                    "there is a pooler in between, and a second connection is needed to tell of which kind: {}",
                    error.message
                );
                error
            })?;
            let looked = self.look(&other).await;
            let proved = looked.map_err(|error| match error.exit {
                Exit::Refused => error.now("nothing was run, and nothing was left in its sessions"),
                _ => error,
            })?;
            round += 1;
            if round == ROUNDS && !proved {
                return Ok(Some(other));
            }
            // Its task would wait for an answer that a full pool may never give.
            other.ended.abort();
            if proved {
                return Ok(None);
            }
        }
    }

    /// One round; whether it proved that this session has a process of its own.
    async fn look(&self, other: &Connection) -> Result<bool> {
        let (a, b) = (&self.connection.client, &other.client);
        let own = bounded(ask(a, None)).await?;
        self.same(&own)?;
        let mut asked = vec![own.at];
        let mut theirs = std::pin::pin!(ask(b, Some(self.pid)));
        let mut seen = None;
        // A pool serves those who wait in turn: the one that is answered while another goes on waiting has its own.
        for _ in 0..WAITS {
            if let Ok(answer) = timeout(PATIENCE, &mut theirs).await {
                seen = Some(answer?);
                break;
            }
            let own = bounded(ask(a, None)).await?;
            self.same(&own)?;
            asked.push(own.at);
        }
        let Some(seen) = seen else {
            return Ok(true);
        };
        self.distinct(&seen)?;
        if seen.other.is_some_and(|last| !asked.contains(&last)) {
            return Err(refused(
                "this connection's server process also works for others",
            ));
        }
        // At the same time, and then the first again.
        let (own, seen) = tokio::join!(bounded(ask(a, None)), bounded(ask(b, None)));
        let (own, seen) = (own?, seen?);
        self.same(&own)?;
        self.distinct(&seen)?;
        self.same(&bounded(ask(a, None)).await?)?;
        Ok(false)
    }

    fn same(&self, answer: &Answer) -> Result<()> {
        if answer.pid == self.pid {
            Ok(())
        } else {
            Err(refused("another server process answers now than before"))
        }
    }

    fn distinct(&self, theirs: &Answer) -> Result<()> {
        if theirs.pid == self.pid {
            Err(refused(
                "two connections are answered by the same server process",
            ))
        } else {
            Ok(())
        }
    }

    /// Proves that the lock, which this session has, keeps another one out. The attempt ends with its transaction.
    pub(super) async fn excludes(&self, other: &Connection) -> Result<()> {
        let sql = format!("SELECT pg_try_advisory_xact_lock({})", self.key);
        match timeout(PATIENCE, other.client.simple_query(&sql)).await {
            // A pool that has no session left for another shares none either.
            Err(_) => {
                other.ended.abort();
                self.same(&bounded(ask(&self.connection.client, None)).await?)
            }
            Ok(messages) => {
                let messages = messages.map_err(Fault::from)?;
                let got = rows(&messages).first().and_then(|row| row.get(0)) == Some("t");
                match got {
                    true => {
                        Err(refused("another connection got the same lock").now("nothing was run"))
                    }
                    false => Ok(()),
                }
            }
        }
    }

    /// Leaves nothing in a session that a pooler may give to the application next. What cannot be cleared ends with the
    /// session, which the pooler sees break.
    pub(super) async fn clear_pooled(&self) {
        if self.pooled() {
            let _ = self.connection.client.batch_execute(session::CLEARED).await;
        }
    }
}

/// Which process answers. With the process of another session: when that was last asked anything.
async fn ask(client: &Client, other: Option<i32>) -> Result<Answer> {
    let other = match other {
        Some(pid) => {
            format!("(SELECT a.query_start FROM pg_catalog.pg_stat_activity a WHERE a.pid = {pid})")
        }
        None => "NULL::timestamptz".to_string(),
    };
    let sql = format!(
        "SELECT pg_backend_pid() AS pid, extract(epoch FROM statement_timestamp()) AS at, extract(epoch FROM {other}) AS other"
    );
    let messages = client.simple_query(&sql).await.map_err(Fault::from)?;
    let found = rows(&messages);
    let row = found
        .first()
        .ok_or_else(|| Error::failed("the server did not answer"))?;
    Ok(Answer {
        pid: row
            .get("pid")
            .and_then(|pid| pid.parse().ok())
            .unwrap_or_default(),
        at: row.get("at").unwrap_or_default().to_string(),
        other: row.get("other").map(str::to_string),
    })
}

async fn bounded(answer: impl Future<Output = Result<Answer>>) -> Result<Answer> {
    timeout(PATIENCE_MAX, answer).await.unwrap_or_else(|_| {
        Err(Error::failed(format!(
            "the pooler in between gave no server session for {} s",
            PATIENCE_MAX.as_secs()
        ))
        .now("nothing was run")
        .next("--url of the server itself, or the same command once the pool has room"))
    })
}
