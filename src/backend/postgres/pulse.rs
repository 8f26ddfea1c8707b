//! Notices a session that is lost though its line looks alive: a proxy that accepts and never answers, an answer that
//! was swallowed, a server process that is gone. Keepalives see none of that. No statement is limited in its time: as
//! long as the server works on it, it may take hours.

use super::connect::{ConnectErrorKind, Connection, connect};
use super::conninfo::Target;
use super::identity::Identity;
use super::query::rows;
use super::traffic::Traffic;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};

/// Looks at one session from another, as long as it lives.
#[derive(Debug)]
pub struct Pulse(JoinHandle<()>);

/// What a look tells.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// The server works for the session.
    AtWork,
    /// The server has no such session.
    Gone,
    /// The server waits for the session's next words, or nobody answers there any more.
    Silent,
    /// Another server, or a refusal: nothing is known.
    Unclear,
}

impl Pulse {
    /// Watches a session, and ends it where it is lost. Where keepalives are off, or left to the system, nothing is watched.
    pub fn start(
        target: &Target,
        connection: &Connection,
        identity: Option<Identity>,
    ) -> Option<Self> {
        let bound = target.keepalives.bound()?;
        let watcher = Watcher {
            target: target.clone(),
            traffic: connection.traffic.clone(),
            identity,
            line: connection.ended.abort_handle(),
            bound,
        };
        Some(Pulse(tokio::spawn(watcher.watch())))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watcher {
    target: Target,
    traffic: Traffic,
    identity: Option<Identity>,
    /// Without its driver the session ends, and whoever waits for an answer is told so.
    line: AbortHandle,
    bound: Duration,
}

impl Watcher {
    /// A statement that is quick is never looked at. A session is given up when it was seen to be silent, look after look,
    /// for as long as keepalives would have taken.
    async fn watch(self) {
        let every = self.bound / 4;
        let mut second = None;
        let mut silent: Option<Instant> = None;
        loop {
            sleep(every).await;
            let due = self.traffic.due_since();
            let Some(due) = due.filter(|since| since.elapsed() >= every) else {
                silent = None;
                continue;
            };
            let began = Instant::now();
            let sight = timeout(every, self.look(&mut second)).await;
            let sight = sight.unwrap_or_else(|_| {
                second = None;
                Sight::Silent
            });
            if self.traffic.due_since() != Some(due) {
                silent = None;
                continue;
            }
            tracing::debug!(
                ?sight,
                seconds = due.elapsed().as_secs(),
                "an answer is due"
            );
            match sight {
                Sight::AtWork | Sight::Unclear => silent = None,
                Sight::Gone => return self.line.abort(),
                Sight::Silent => {
                    if silent.get_or_insert(began).elapsed() >= self.bound {
                        return self.line.abort();
                    }
                }
            }
        }
    }

    async fn look(&self, second: &mut Option<Connection>) -> Sight {
        let connection = match second {
            Some(connection) => connection,
            None => match connect(&self.target).await {
                Ok(connection) => second.insert(connection),
                Err(refused) => {
                    return match refused.kind {
                        ConnectErrorKind::Unreachable | ConnectErrorKind::StartingUp => {
                            Sight::Silent
                        }
                        _ => Sight::Unclear,
                    };
                }
            },
        };
        let Some(identity) = &self.identity else {
            return Sight::Unclear;
        };
        let sql = format!(
            "SELECT extract(epoch FROM pg_postmaster_start_time())::text AS started, a.pid, a.state FROM (SELECT 1) one \
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = {} AND extract(epoch FROM a.backend_start)::text = '{}'",
            identity.pid, identity.began
        );
        let Ok(messages) = connection.client.simple_query(&sql).await else {
            *second = None;
            return Sight::Silent;
        };
        let rows = rows(&messages);
        let text = |column: &str| rows.first().and_then(|row| row.get(column));
        match (text("pid"), text("state")) {
            _ if text("started") != Some(&identity.started) => Sight::Unclear,
            (None, _) => Sight::Gone,
            (_, Some(state)) if state.starts_with("idle") => Sight::Silent,
            _ => Sight::AtWork,
        }
    }
}
