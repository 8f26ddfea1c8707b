//! The executor's lock: a session advisory lock, polled with no transaction open.
//!
//! A blocking `pg_advisory_lock` would hold a snapshot while it waits, and a CONCURRENTLY build waits for snapshots:
//! a deadlock (facts, finding 2). A try-lock that is polled holds nothing.

use super::fault::Fault;
use super::holder;
use super::query::rows;
use crate::backend::{Ending, Event, Holder, Stop};
use crate::error::{Error, Exit, Result};
use crate::run::RunId;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

/// How often a waiting executor asks again, at most.
const POLL_MAX: Duration = Duration::from_millis(500);

/// How long the end of an orphan is waited for, whatever `--lock-wait` says.
const ORPHAN_END: Duration = Duration::from_secs(5);

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
        sleep(pause.min(left)).await;
        stop.check()?;
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
