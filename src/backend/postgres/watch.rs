//! Who stands in the way of a statement, asked from a second connection while the statement waits: once it has made way,
//! the server no longer knows.

use super::connect::connect;
use super::conninfo::Target;
use super::query::rows;
use crate::backend::Blocker;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// Watches one session from another, as long as it lives.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Vec<Blocker>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Looks every so often whom the server process `pid` waits for. Where no second connection is to be had, nothing is
    /// seen.
    pub fn start(target: Target, pid: i32, every: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let Ok(connection) = connect(&target).await else {
                    return;
                };
                while let Ok(blockers) = look(&connection.client, pid).await {
                    if let (false, Ok(mut seen)) = (blockers.is_empty(), seen.lock()) {
                        *seen = blockers;
                    }
                    tokio::time::sleep(every).await;
                }
            }
        });
        Watch { seen, task }
    }

    /// Whom the session was last seen waiting for.
    pub fn blockers(&self) -> Vec<Blocker> {
        self.seen
            .lock()
            .map_or_else(|_| Vec::new(), |seen| seen.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(client: &Client, pid: i32) -> Result<Vec<Blocker>, tokio_postgres::Error> {
    let sql = format!(
        "SELECT b.pid, a.application_name, a.usename, extract(epoch FROM now() - a.xact_start)::bigint AS seconds, \
         left(regexp_replace(a.query, '\\s+', ' ', 'g'), 80) AS query \
         FROM unnest(pg_blocking_pids({pid})) AS b(pid) LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid"
    );
    let messages = client.simple_query(&sql).await?;
    let found = rows(&messages).into_iter().map(|row| {
        let text = |column: &str| row.get(column).unwrap_or_default().to_string();
        Blocker {
            pid: text("pid").parse().unwrap_or_default(),
            application: text("application_name"),
            user: text("usename"),
            seconds: text("seconds").parse().ok(),
            query: text("query"),
        }
    });
    Ok(found.collect())
}
