//! A session that was lost under the lock: another one is opened, and it is proved that the run may go on with it.

use super::connect::{Connection, connect};
use super::fault::Fault;
use super::identity::Identity;
use super::names::literal;
use super::pulse::Pulse;
use super::query::{UNHURRIED, again, rows};
use super::{Postgres, lock};
use crate::backend::Event;
use crate::error::{Error, Exit, Result};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;

/// The first pause between two tries, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

impl Postgres {
    /// See [`crate::backend::Backend::recover`].
    pub(super) async fn recover_session(
        &mut self,
        lost: Error,
        within: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        self.pulse = None;
        self.watch = None;
        self.patient = None;
        let Some(before) = self.identity.clone().filter(|_| !within.is_zero()) else {
            return Err(lost);
        };
        // Said by the server as an answer, or while it was not asked anything.
        let code = lost.server.as_ref().map(|server| server.code.clone());
        let code = code.or_else(|| self.connection.farewell.get().cloned());
        tell(Event::Lost {
            message: lost.message.clone(),
            within,
        });
        let (connection, now) = self.again_connected(&lost, within).await?;
        if let Some(why) = before.differs(&now) {
            return Err(stopped(
                lost,
                &format!("what answers at the same address now is not the same database: {why}"),
            )
            .next("see that the address leads to the right server, then the same command"));
        }
        // A server that is stopped says the same, and comes back with another time of start.
        let ended = code.as_deref() == Some(SqlState::ADMIN_SHUTDOWN.code());
        if ended && before.started == now.started {
            let why = "somebody ended kmig's session (pg_terminate_backend), which kmig takes for an order to stop";
            return Err(
                stopped(lost, why).next("the same command, which continues where it stopped")
            );
        }
        let found = self.recorded(&connection).await?;
        let missing = self.acknowledged.get().saturating_sub(found);
        if missing > 0 && before.taken_over(&now) {
            let why = format!(
                "the server that took over has not got the last {missing} of the transactions that the other one said are committed"
            );
            return Err(stopped(lost, &why)
                .now("the database that answers now has the statements that are recorded there, and nothing was run there")
                .next("see that this server is the one to go on with, and that the old one is gone for good; then the same command, which continues from what is recorded there"));
        }
        self.acknowledged.set(found);
        self.adrift |= found > 0;
        self.end_orphan(&connection, &before).await;
        self.pulse = Pulse::start(&self.target, &connection, Some(now.clone()));
        self.connection = connection;
        self.pid = now.pid;
        self.locked = false;
        self.identity = Some(now);
        tell(Event::Recovered);
        if missing > 0 {
            tell(Event::Reconciled(format!(
                "the server lost the last {missing} transactions in its crash, each with its record: they are run again"
            )));
        }
        Ok(())
    }

    /// Tries until a server answers that is no standby.
    async fn again_connected(
        &self,
        lost: &Error,
        within: Duration,
    ) -> Result<(Connection, Identity)> {
        let deadline = Instant::now() + within;
        let mut pause = PAUSE;
        let mut last = "nobody answered".to_string();
        loop {
            let attempt = async {
                let connection = connect(&self.target).await.map_err(Error::from)?;
                let client = &connection.client;
                let mut tries = 0;
                let now = loop {
                    match Identity::ask(client, &[]).await {
                        // A statement_timeout of a millisecond ends it by chance.
                        Err(fault) if fault.is(&SqlState::QUERY_CANCELED) && tries < UNHURRIED => {
                            tries += 1;
                        }
                        asked => break asked?,
                    }
                };
                // Behind a pooler the setting might stay in a session of the application.
                if now.pid == connection.backend_pid {
                    again(client, "SET statement_timeout TO 0").await?;
                }
                Ok::<_, Error>((connection, now))
            };
            let attempt = tokio::select! {
                attempt = timeout_at(deadline, attempt) => attempt,
                () = self.options.stop.wanted() => return Err(interrupted(lost)),
            };
            match attempt {
                Ok(Ok((_, now))) if now.standby => {
                    last = "the server that answers is a read-only standby".to_string();
                }
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => last = error.message,
                Err(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let mut error = lost.clone();
                error.lost = false;
                error.message = format!(
                    "{}; connecting again was tried for {} s: {last}",
                    lost.message,
                    within.as_secs_f64()
                );
                return Err(error);
            }
            // Where fifty executors were cut off together, they do not come back together.
            let next = pause.mul_f64(0.5 + fastrand::f64() / 2.0).min(left);
            if self.options.stop.pause(next).await.is_err() {
                return Err(interrupted(lost));
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// How many transactions of this run are recorded: each that records anything writes one line of the journal.
    async fn recorded(&self, connection: &Connection) -> Result<u64> {
        if self.acknowledged.get() == 0 {
            return Ok(0);
        }
        let sql = format!(
            "SELECT count(*) FROM {} WHERE run = {}",
            self.recorder.names.journal,
            literal(&self.options.run.to_string())
        );
        match connection.client.simple_query(&sql).await {
            Ok(messages) => {
                let rows = rows(&messages);
                let count = rows.first().and_then(|row| row.get(0)?.parse().ok());
                Ok(count.unwrap_or_default())
            }
            Err(error) => {
                let fault = Fault::from(error);
                if fault.is(&SqlState::UNDEFINED_TABLE) || fault.is(&SqlState::INVALID_SCHEMA_NAME)
                {
                    Ok(0)
                } else {
                    Err(fault.error())
                }
            }
        }
    }

    /// Ends the session that was lost, where the server has not noticed: it is this process's own, so it is proved that
    /// nobody is behind it any more (traps P16). What it cannot end is waited for by whoever takes the lock.
    async fn end_orphan(&self, connection: &Connection, before: &Identity) {
        let _ = connection
            .client
            .simple_query(&lock::end(before.pid, &before.began))
            .await;
    }
}

/// The end of a run that could connect again and must not go on.
fn stopped(lost: Error, why: &str) -> Error {
    Error {
        message: format!("{}; {why}", lost.message),
        lost: false,
        ..lost
    }
}

fn interrupted(lost: &Error) -> Error {
    Error {
        exit: Exit::Interrupted,
        message: format!("{}; it was not tried to connect again", lost.message),
        lost: false,
        ..lost.clone()
    }
}
