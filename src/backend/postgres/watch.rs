//! Who stands in the way of a statement, asked from a second connection while the statement waits: once it has made way,
//! the server no longer knows.

use super::connect::connect;
use super::conninfo::Target;
use super::query::rows;
use crate::backend::Blocker;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryRow};

/// Watches one session from another, as long as it lives.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Vec<Blocker>>>,
    changes: mpsc::UnboundedReceiver<Vec<Blocker>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Looks every so often whom the server process `pid` waits for; for the first time after `patience`. Where no
    /// second connection is to be had, nothing is seen.
    pub fn start(target: Target, pid: i32, every: Duration, patience: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (send, changes) = mpsc::unbounded_channel();
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                tokio::time::sleep(patience).await;
                let Ok(connection) = connect(&target).await else {
                    return;
                };
                let (mut before, mut told) = (Vec::new(), Vec::new());
                while let Ok(blockers) = look(&connection.client, pid).await {
                    let who: Vec<_> = blockers.iter().map(Blocker::key).collect();
                    if !blockers.is_empty() {
                        // Who is gone at the next look was not worth a word.
                        if who == before && who != told {
                            told = who.clone();
                            let _ = send.send(blockers.clone());
                        }
                        if let Ok(mut seen) = seen.lock() {
                            *seen = blockers;
                        }
                    }
                    before = who;
                    tokio::time::sleep(every).await;
                }
            }
        });
        Watch {
            seen,
            changes,
            task,
        }
    }

    /// Whom the session was last seen waiting for.
    pub fn blockers(&self) -> Vec<Blocker> {
        self.seen
            .lock()
            .map_or_else(|_| Vec::new(), |seen| seen.clone())
    }

    /// Waits until the session has waited for others than before, for two looks.
    pub async fn change(&mut self) -> Vec<Blocker> {
        match self.changes.recv().await {
            Some(blockers) => blockers,
            // Nobody looks any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The columns of a [`Blocker`], of a session `a`.
pub const SESSION: &str = "a.pid, a.application_name, a.usename, a.state, \
     extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS seconds, \
     left(regexp_replace(a.query, '\\s+', ' ', 'g'), 80) AS query, NULL::text AS gid";

/// The same of a prepared transaction `p`, which has no session.
pub const PREPARED: &str = "0, NULL, p.owner, NULL, extract(epoch FROM clock_timestamp() - p.prepared)::bigint, NULL, p.gid";

/// The locks `l` that a prepared transaction `p` holds. They keep the number of the session that prepared it; the lock on
/// its own number tells which they are.
pub const PREPARED_LOCKS: &str = "pg_catalog.pg_locks x JOIN pg_catalog.pg_locks l \
     ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL AND l.granted \
     WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction";

/// A row of [`SESSION`] or [`PREPARED`].
pub fn blocker(row: &SimpleQueryRow) -> Blocker {
    let text = |column: &str| row.get(column).unwrap_or_default().to_string();
    Blocker {
        pid: text("pid").parse().unwrap_or_default(),
        application: text("application_name"),
        user: text("usename"),
        state: text("state"),
        seconds: text("seconds").parse().ok(),
        query: text("query"),
        prepared: row.get("gid").map(str::to_string),
    }
}

async fn look(client: &Client, pid: i32) -> Result<Vec<Blocker>, tokio_postgres::Error> {
    let sql = format!(
        "WITH b AS MATERIALIZED (SELECT DISTINCT pid FROM unnest(pg_blocking_pids({pid})) AS b(pid)), \
         w AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks WHERE pid = {pid} AND NOT granted) \
         SELECT {SESSION} FROM b JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid UNION ALL \
         SELECT {PREPARED} FROM pg_catalog.pg_prepared_xacts p WHERE 0 IN (SELECT pid FROM b) \
         AND EXISTS (SELECT FROM {PREPARED_LOCKS} AND EXISTS (SELECT FROM w WHERE w.transactionid = p.transaction \
         OR w.database = l.database AND w.relation = l.relation))"
    );
    let messages = client.simple_query(&sql).await?;
    Ok(rows(&messages).into_iter().map(blocker).collect())
}
