//! The executor's lock: a session advisory lock, polled with no transaction open.
//!
//! A blocking `pg_advisory_lock` would hold a snapshot while it waits, and a CONCURRENTLY build waits for snapshots:
//! a deadlock (facts, finding 2). A try-lock that is polled holds nothing.

use super::Postgres;
use super::connect::Connection;
use super::fault::Fault;
use super::holder;
use super::identity::Identity;
use super::pulse::Pulse;
use super::query::rows;
use crate::backend::{Ending, Event, Holder, Stop};
use crate::error::{Error, Exit, Result};
use crate::run::RunId;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// How often a waiting executor asks again, at most.
const POLL_MAX: Duration = Duration::from_millis(500);

/// How long the end of an orphan is waited for, whatever `--lock-wait` says.
const ORPHAN_END: Duration = Duration::from_secs(5);

impl Postgres {
    pub(super) fn refuse_standby(&self) -> Result<()> {
        if !self.standby {
            return Ok(());
        }
        Err(Error::failed(
            "this server is a read-only standby: it only replays the changes of another server",
        )
        .now("nothing was run")
        .next("connect to the primary, for example with ?target_session_attrs=primary"))
    }

    /// Sets what the session runs under, and takes the lock.
    pub(super) async fn settle_and_take(
        &mut self,
        wait: Duration,
        other: Option<&Connection>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let client = &self.connection.client;
        let sent = Identity::ask(client, &self.session.settings()).await;
        let identity = match sent {
            // A server on a system that cannot watch a socket refuses that setting; keepalives have to do.
            Err(fault)
                if self.session.watches_clients && fault.is(&SqlState::INVALID_PARAMETER_VALUE) =>
            {
                self.session.watches_clients = false;
                Identity::ask(client, &self.session.settings()).await?
            }
            sent => sent?,
        };
        self.pulse = Pulse::start(&self.target, &self.connection, Some(identity.clone()));
        self.identity = Some(identity);
        let (this, stop) = (&self.options.run, &self.options.stop);
        take(client, self.key, wait, this, stop, tell).await?;
        match other {
            Some(other) => self.excludes(other).await,
            None => Ok(()),
        }
    }
}

/// Takes the lock, or says who has it once `wait` is over. An executor that is proved dead is ended (traps P16): the
/// server may take its time to notice, or never do behind a pooler or a broken network.
pub async fn take(
    client: &Client,
    key: i64,
    wait: Duration,
    this: &RunId,
    stop: &Stop,
    tell: &mut dyn FnMut(Event),
) -> Result<()> {
    let mut deadline = Instant::now() + wait;
    let mut pause = Duration::from_millis(20);
    let mut told: Option<Option<Holder>> = None;
    loop {
        if is(client, &holder::attempt(key)).await? {
            return Ok(());
        }
        let holder = holder::holder(client, key, this).await?;
        let pid = |holder: &Option<Holder>| holder.as_ref().map(|holder| (holder.pid, holder.gone));
        let news = told.as_ref().map(pid) != Some(pid(&holder));
        if let Some(dead) = holder.as_ref().filter(|holder| news && holder.gone) {
            let ending = holder::end(client, key, dead).await?;
            if ending == Ending::Told {
                deadline = deadline.max(Instant::now() + ORPHAN_END);
                pause = Duration::from_millis(20);
            }
            tell(Event::Orphan(dead.clone(), ending));
            told = Some(holder);
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(busy(holder, wait));
        }
        if news {
            tell(Event::Waiting(holder.clone()));
            told = Some(holder);
        }
        stop.pause(pause.min(left)).await?;
        // Fifty executors that started together do not ask together for ever.
        pause = (pause * 2)
            .min(POLL_MAX)
            .mul_f64(0.5 + fastrand::f64() / 2.0);
    }
}

/// Gives the lock back, however often it was taken.
pub async fn release(client: &Client) -> Result<()> {
    is(client, "SELECT pg_advisory_unlock_all()")
        .await
        .map(|_| ())
}

/// Takes the session's lock anew inside a transaction that [`guard`] began, and drops what a user's statement may have
/// locked: where such a statement gave the lock away, nobody gets in between, and the next bare statement, which is in no
/// transaction, is under it again (traps P6, P12).
pub fn retake(key: i64) -> [String; 2] {
    [
        "SELECT pg_advisory_unlock_all()".to_string(),
        take_again(key),
    ]
}

/// Takes the session's lock once more, where it was lost; where another executor has it, the next [`guard`] says so.
pub fn take_again(key: i64) -> String {
    format!("SELECT pg_try_advisory_lock({key})")
}

/// Proves inside a transaction that this session still holds the lock: pg_advisory_unlock_all() in a user's statement
/// may have given it away (traps P6). Fails with a division by zero where another session has it.
pub fn guard(key: i64) -> String {
    format!("SELECT 1 / pg_try_advisory_xact_lock({key})::int")
}

/// Ends a session, unless its process id has come to another one.
pub fn end(pid: i32, began: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
         WHERE pid = {pid} AND extract(epoch FROM backend_start)::text = '{began}'"
    )
}

/// The error of an executor whose [`guard`] failed.
pub fn lost() -> Error {
    Error::new(
        Exit::Locked,
        "this executor's lock was lost, and another executor has it",
    )
}

fn busy(holder: Option<Holder>, wait: Duration) -> Error {
    let who = match &holder {
        Some(holder) => holder.to_string(),
        None => "it was released just now".to_string(),
    };
    Error::new(
        Exit::Locked,
        format!(
            "another executor holds the lock, and waiting {} s for it was not enough: {who}",
            wait.as_secs_f64()
        ),
    )
    .now("nothing was run by this command")
    .next("wait for it, or the same command with a longer --lock-wait; kmig lock show tells what it does")
}

async fn is(client: &Client, sql: &str) -> Result<bool> {
    let messages = client.simple_query(sql).await.map_err(Fault::from)?;
    Ok(rows(&messages).first().and_then(|row| row.get(0)) == Some("t"))
}
