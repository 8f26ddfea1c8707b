//! Renews a lease in the background, and knows how much of it is left.

use super::names::literal;
use super::query::Sender;
use super::record::Recorder;
use crate::machine;
use crate::run::RunId;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// What the renewal and the work share.
#[derive(Debug)]
pub struct Time {
    /// When the lease runs out, by [`machine::since_boot`].
    pub until: Mutex<Duration>,
    pub lost: AtomicBool,
}

impl Time {
    /// Whether it is known that somebody else has the lease, or took it away.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// What is left of the lease, as this run counts it.
    pub fn left(&self) -> Duration {
        let until = self.until.lock().map_or(Duration::ZERO, |until| *until);
        match self.is_lost() {
            true => Duration::ZERO,
            false => until.saturating_sub(machine::since_boot()),
        }
    }

    pub fn renewed(&self, until: Duration) {
        if let Ok(mut known) = self.until.lock() {
            *known = until;
        }
    }
}

/// The task that renews.
pub struct Renewal {
    pub sender: Sender,
    pub text: Box<dyn Fn(i64) -> String + Send + Sync>,
    pub ticket: Uuid,
    pub lease: String,
    pub ttl: Duration,
    pub time: Arc<Time>,
}

impl Renewal {
    /// Renews until the lease is lost, or the task is ended.
    pub async fn run(self) {
        let mut beat = 0;
        let mut pause = self.ttl / 3;
        loop {
            tokio::time::sleep(pause).await;
            beat += 1;
            let sent = machine::since_boot();
            let renewed = match self.sender.read(&(self.text)(beat)).await {
                Ok(rows) => Some(rows.applied()),
                Err(_) => match self.sender.read_serial(&self.lease).await {
                    Ok(rows)
                        if rows.first().and_then(|row| row.uuid("ticket")) != Some(self.ticket) =>
                    {
                        Some(false)
                    }
                    // Ours still, and it may have been renewed or not: the next try tells.
                    _ => None,
                },
            };
            match renewed {
                Some(true) => {
                    self.time.renewed(sent + self.ttl);
                    pause = self.ttl / 3;
                }
                Some(false) => {
                    self.time.lost.store(true, Ordering::SeqCst);
                    return;
                }
                None => pause = (self.ttl / 20).max(Duration::from_millis(20)),
            }
        }
    }
}

/// How long the row of a lease lives in the server, in seconds: a cell may go up to a second before its time
/// (cassandra.md §3.5), and a renewal must find it until the lease has run out by its holder's own count.
pub fn row_seconds(lease: Duration) -> u64 {
    lease.as_secs() + 1
}

pub fn renewal_text(
    recorder: &Recorder,
    run: &RunId,
    (ticket, since): (Uuid, i64),
    ttl: Duration,
) -> Box<dyn Fn(i64) -> String + Send + Sync> {
    let (owner, by) = (literal(&run.to_string()), literal(&recorder.by));
    let application = literal(&run.application(&recorder.by));
    let head = format!(
        "UPDATE {} USING TTL {} SET owner = {owner}, ticket = {ticket}, executed_by = {by}, application = {application}",
        recorder.names.lease,
        row_seconds(ttl)
    );
    let incarnation = recorder.incarnation;
    Box::new(move |beat| {
        format!(
            "{head}, since = {since}, beat = {beat} WHERE incarnation = {incarnation} IF ticket = {ticket}"
        )
    })
}
