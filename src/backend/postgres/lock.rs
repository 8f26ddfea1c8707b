//! The executor's lock: a session advisory lock, polled with no transaction open.
//!
//! A blocking `pg_advisory_lock` would hold a snapshot while it waits, and a CONCURRENTLY build waits for snapshots:
//! a deadlock (facts, finding 2). A try-lock that is polled holds nothing.

use super::fault::Fault;
use super::read::rows;
use crate::backend::{Event, Holder, Stop};
use crate::error::{Error, Exit, Result};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

/// How often a waiting executor asks again, at most.
const POLL_MAX: Duration = Duration::from_millis(500);

/// Takes the lock, or says who has it once `wait` is over.
pub async fn take(
    client: &Client,
    key: i64,
    wait: Duration,
    stop: &Stop,
    tell: &mut dyn FnMut(Event),
) -> Result<()> {
    let deadline = Instant::now() + wait;
    let mut pause = Duration::from_millis(20);
    let mut told: Option<Option<Holder>> = None;
    loop {
        if is(client, &format!("SELECT pg_try_advisory_lock({key})")).await? {
            return Ok(());
        }
        let holder = holder(client, key).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(busy(holder, wait));
        }
        let pid = |holder: &Option<Holder>| holder.as_ref().map(|holder| holder.pid);
        if told.as_ref().map(pid) != Some(pid(&holder)) {
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

/// Who holds the lock. Names of other roles' sessions may be hidden from this role.
pub async fn holder(client: &Client, key: i64) -> Result<Option<Holder>> {
    // The two halves of a bigint key stand in classid and objid, and objsubid is 1 (pg_locks, documentation).
    let sql = format!(
        "SELECT l.pid, a.application_name, a.client_addr, extract(epoch FROM now() - a.backend_start)::bigint AS seconds \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
         AND (l.classid::bigint << 32) | l.objid::bigint = {key} LIMIT 1"
    );
    let messages = client.simple_query(&sql).await.map_err(Fault::from)?;
    let found = rows(&messages);
    Ok(found.first().map(|row| {
        let number = |column: &str| row.get(column).and_then(|text| text.parse().ok());
        Holder {
            pid: number("pid").unwrap_or_default(),
            application: row.get("application_name").unwrap_or_default().to_string(),
            address: row.get("client_addr").map(str::to_string),
            seconds: number("seconds").unwrap_or_default(),
        }
    }))
}

fn busy(holder: Option<Holder>, wait: Duration) -> Error {
    let who = match &holder {
        Some(holder) => format!(
            "{} (server process {}, connected {} s ago)",
            holder.application, holder.pid, holder.seconds
        ),
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
    .next("wait for it, or the same command with a longer --lock-wait")
}

async fn is(client: &Client, sql: &str) -> Result<bool> {
    let messages = client.simple_query(sql).await.map_err(Fault::from)?;
    Ok(rows(&messages).first().and_then(|row| row.get(0)) == Some("t"))
}
