//! Who writes the rows of a file of an import: a row for each file beside that of the lease.
//!
//! As with the lease no server's clock decides (traps C8): who takes over has seen no renewal for as long as a claim holds, by
//! its own clock, or the proof that the process is dead; and a holder counts from before it sent its last renewal, and sends
//! no row once that has run out. The row has no expiry, and stays when the claim is given back: whoever finds one knows that
//! another run has had the file, and reads anew what is noted of it.

use super::Cassandra;
use super::cells::PATIENCE;
use super::fault::{Fault, Kind};
use super::lease::{same_serial, serial_word};
use super::names::literal;
use super::query::{How, Sender};
use super::renewal::Time;
use super::seen::{self, since_epoch_ms};
use crate::backend::Holder;
use crate::error::{Error, Exit, Result};
use crate::machine;
use crate::run::RunId;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How long a claim holds without a renewal: longer than an import repeats a request, so that no trouble that it rides out
/// costs it a file.
const HOLDS: Duration = Duration::from_secs(120);

/// Names the whole seconds that a claim holds, for tests, which cannot wait for so long. Builds for use know nothing of it: runs
/// that count a claim differently write a file twice.
#[cfg(debug_assertions)]
const HOLDS_FOR_TESTS: &str = "KMIG_DEBUG_CLAIM_SECONDS";

/// Between two renewals: so soon a run that is at work is told from one that is not.
const RENEWED: Duration = Duration::from_secs(10);

/// Between two looks at another run's claim, and two tries at one's own.
const LOOK: Duration = Duration::from_millis(500);

/// What came of an attempt.
pub enum Taken {
    /// The file is this run's.
    Ours(Claim),
    /// Another run has it.
    Held(Held),
}

/// The claim of another run, as it was seen.
#[derive(Debug, Clone)]
pub struct Held {
    holder: Option<Holder>,
    ticket: Uuid,
    beat: i64,
    /// When it was first seen with this ticket and beat, by [`machine::since_boot`].
    since: Duration,
    /// Whether it has moved since the first look, or its process is seen: then somebody is at work.
    alive: bool,
}

/// What another run has left of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// None has had it.
    None,
    /// One has had it, and gave it back once all that it had sent was answered.
    GivenBack,
    /// One was ended in the middle of it: what it had sent may still arrive.
    Unclean,
}

/// A claim that is held. It is renewed until it is given back, or dropped.
pub struct Claim {
    /// What another run has left.
    pub before: Before,
    hold: Hold,
    partition: Uuid,
    ticket: Uuid,
    renewal: JoinHandle<()>,
}

/// What is left of a claim, for those who send under it.
#[derive(Debug, Clone)]
pub struct Hold {
    time: Arc<Time>,
    /// How long the answer to a request is awaited.
    need: Duration,
}

impl Hold {
    /// Passes while more is left of the claim than the answer to a request may take.
    ///
    /// # Errors
    /// Somebody has taken over; or it has run out, and may still be renewed.
    pub fn check(&self) -> Result<(), Fault> {
        if self.time.left() > self.need {
            return Ok(());
        }
        let (kind, message) = match self.time.is_lost() {
            true => (Kind::Refused, "another run has taken over this file"),
            false => (
                Kind::Unreachable,
                "the claim on this file could not be renewed in time",
            ),
        };
        Err(Fault {
            kind,
            code: None,
            message: message.to_string(),
            position: None,
            lost: false,
        })
    }

    /// Whether somebody has taken over.
    pub fn is_lost(&self) -> bool {
        self.time.is_lost()
    }
}

impl Claim {
    /// What those need who send under it.
    pub fn hold(&self) -> Hold {
        self.hold.clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Held {
    /// The other run, for people.
    pub fn who(&self) -> String {
        match &self.holder {
            Some(holder) => holder.to_string(),
            None => "a run without a name".to_string(),
        }
    }
}

impl Cassandra {
    /// Refuses to claim at another serial level than the one that this keyspace is migrated at: two levels exclude nobody.
    ///
    /// # Errors
    /// It is another one (7), or the replicas do not answer.
    pub async fn may_claim(&self) -> Result<()> {
        let sender = self.sender.working().await;
        let incarnation = self.recorder.incarnation;
        let stored = format!(
            "SELECT serial FROM {} WHERE incarnation = {incarnation} LIMIT 1",
            self.recorder.names.meta
        );
        let local = "SELECT data_center FROM system.local";
        let (stored, local) = tokio::join!(
            sender.read_serial(&stored),
            sender.ask_member(sender.coordinator, local, sender.timeout)
        );
        let (stored, local) = (stored.map_err(Fault::error)?, local.map_err(Fault::error)?);
        let datacenter = local.first().and_then(|row| row.text("data_center"));
        let own = serial_word(sender.serial, datacenter.unwrap_or("?"));
        same_serial(&own, stored.first().and_then(|row| row.text("serial")))
    }

    /// Claims something for this run. `seen` is how another run's claim on it was seen before, if it was.
    ///
    /// # Errors
    /// The replicas do not answer, or the role may not write to kmig's tables.
    pub async fn claim(&self, what: &str, seen: Option<&Held>) -> Result<Taken> {
        let partition = self.partition(what);
        let ticket = Uuid::new_v4();
        let began = machine::since_boot();
        let deadline = began + PATIENCE;
        loop {
            let fault = match self.try_claim(partition, (ticket, began), seen).await {
                Ok(Some(taken)) => return Ok(taken),
                // Somebody was faster: the next look tells who.
                Ok(None) => None,
                Err(fault) => Some(fault),
            };
            self.options.stop.check()?;
            if let Some(fault) = fault {
                if fault.kind == Kind::Refused || machine::since_boot() >= deadline {
                    return Err(fault.error());
                }
                tokio::time::sleep(LOOK / 2).await;
            }
        }
    }

    /// Claims what another run has, once it has given it back or is gone, and gives up at a time of
    /// [`machine::since_boot`] where it is known to be at work.
    ///
    /// # Errors
    /// As [`Cassandra::claim`]; it is still at work: 6.
    pub async fn claim_after(&self, what: &str, mut held: Held, until: Duration) -> Result<Claim> {
        loop {
            held = match self.claim(what, Some(&held)).await? {
                Taken::Ours(claim) => return Ok(claim),
                Taken::Held(held) => held,
            };
            // One that is dead keeps its claim for as long as it holds: that is no reason to give up before.
            if held.alive && machine::since_boot() >= until {
                return Err(Error::new(
                    Exit::Locked,
                    format!("another run is importing what is left: {}", held.who()),
                ));
            }
            self.options.stop.pause(LOOK).await?;
        }
    }

    /// Gives a claim back once all that was sent under it is answered and noted. One that is only dropped stays this run's
    /// until the run is known to be dead: what it has sent may still arrive.
    ///
    /// # Errors
    /// The replicas do not answer; another run then waits for as long as a claim holds.
    pub async fn give_back(&self, claim: Claim) -> Result<()> {
        claim.renewal.abort();
        let text = format!(
            "UPDATE {} SET owner = null WHERE incarnation = {} IF ticket = {}",
            self.recorder.names.lease, claim.partition, claim.ticket
        );
        let sender = self.sender.working().await;
        let given = sender.settled(&text, How::default()).await;
        given.map(|_| ()).map_err(Fault::error)
    }

    /// The partition of a claim, which no incarnation of the record has, nor shares with another one.
    fn partition(&self, what: &str) -> Uuid {
        let digest = Sha256::digest(format!("{} {what}", self.recorder.incarnation).as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// One look and one attempt; nothing where somebody was faster. The claim holds from before the ticket was sent first.
    async fn try_claim(
        &self,
        partition: Uuid,
        (ticket, sent): (Uuid, Duration),
        seen: Option<&Held>,
    ) -> Result<Option<Taken>, Fault> {
        let sender = self.sender.working().await;
        let (lease, run) = (&self.recorder.names.lease, self.options.run.to_string());
        let by = literal(&self.recorder.by);
        let application = literal(&self.options.run.application(&self.recorder.by));
        let (owner, since) = (literal(&run), since_epoch_ms());
        let ours = |before| {
            Some(Taken::Ours(
                self.renewed(&sender, partition, ticket, sent, before),
            ))
        };
        // Where it is not applied it tells the row that stands there, as it was decided.
        let insert = format!(
            "INSERT INTO {lease} (incarnation, owner, ticket, beat, executed_by, application, since) \
             VALUES ({partition}, {owner}, {ticket}, 0, {by}, {application}, {since}) IF NOT EXISTS"
        );
        let rows = sender.read(&insert).await?;
        let row = rows.first();
        if rows.applied() {
            return Ok(ours(Before::None));
        }
        let found = row.and_then(|row| row.uuid("ticket"));
        if found == Some(ticket) {
            // An attempt whose answer was lost; whether it was the first row ever is not known.
            return Ok(ours(Before::Unclean));
        }
        let beat = row.and_then(|row| row.number("beat")).unwrap_or(0);
        let other = row.and_then(|row| row.text("owner")).map(str::to_string);
        let found = found.unwrap_or_default();
        let now = machine::since_boot();
        let moved = seen.is_some_and(|seen| (seen.ticket, seen.beat) != (found, beat));
        let run = other.as_deref().and_then(RunId::parse);
        let is = |what: fn(&RunId, &RunId) -> bool| {
            let run = run.as_ref();
            run.is_some_and(|run| what(run, &self.options.run))
        };
        let held = Held {
            holder: seen::holder(&rows, &self.options.run),
            ticket: found,
            beat,
            since: match seen {
                Some(seen) if !moved => seen.since,
                _ => now,
            },
            alive: moved || seen.is_some_and(|seen| seen.alive) || is(machine::proves_alive),
        };
        let unmoved = now.saturating_sub(held.since);
        if !free(other.is_some(), is(machine::proves_dead), unmoved) {
            return Ok(Some(Taken::Held(held)));
        }
        let take = format!(
            "UPDATE {lease} SET owner = {owner}, ticket = {ticket}, beat = 0, executed_by = {by}, \
             application = {application}, since = {since} WHERE incarnation = {partition} IF ticket = {found} AND beat = {beat}"
        );
        let taken = sender.read(&take).await?.applied();
        let left = match other {
            Some(_) => Before::Unclean,
            None => Before::GivenBack,
        };
        Ok(if taken { ours(left) } else { None })
    }

    /// A claim that was taken, and is renewed from now on.
    fn renewed(
        &self,
        sender: &Sender,
        partition: Uuid,
        ticket: Uuid,
        sent: Duration,
        before: Before,
    ) -> Claim {
        let time = Arc::new(Time {
            until: Mutex::new(sent + holds()),
            lost: AtomicBool::new(false),
        });
        let lease = self.recorder.names.lease.clone();
        let renewal = renew(sender.clone(), lease, partition, ticket, Arc::clone(&time));
        Claim {
            before,
            hold: Hold {
                time,
                need: self.sender.timeout.min(holds() / 2),
            },
            partition,
            ticket,
            renewal: tokio::spawn(renewal),
        }
    }
}

/// How long a claim holds without a renewal.
fn holds() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(seconds) = std::env::var(HOLDS_FOR_TESTS)
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return Duration::from_secs(seconds);
    }
    HOLDS
}

/// Whether a claim may be taken that stands there: it was given back, or its run is dead, or has not renewed it for as long
/// as it holds by the own count of that run.
fn free(owned: bool, dead: bool, unmoved: Duration) -> bool {
    !owned || dead || unmoved >= holds()
}

/// Renews a claim until it is lost, or the task is ended. As long as the row has its ticket nobody has taken over, however
/// late the renewal comes.
async fn renew(sender: Sender, lease: String, partition: Uuid, ticket: Uuid, time: Arc<Time>) {
    let renewed = RENEWED.min(holds() / 4);
    let mut pause = renewed;
    for beat in 1_i64.. {
        tokio::time::sleep(pause).await;
        let sent = machine::since_boot();
        let text = format!(
            "UPDATE {lease} SET beat = {beat} WHERE incarnation = {partition} IF ticket = {ticket}"
        );
        match sender.working().await.read(&text).await {
            Ok(rows) if rows.applied() => {
                time.renewed(sent + holds());
                pause = renewed;
            }
            Ok(_) => {
                time.lost.store(true, Ordering::SeqCst);
                return;
            }
            // It may have been renewed or not: the next try tells.
            Err(_) => pause = LOOK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(left: Duration, lost: bool) -> Hold {
        Hold {
            time: Arc::new(Time {
                until: Mutex::new(machine::since_boot() + left),
                lost: AtomicBool::new(lost),
            }),
            need: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_claim_of_another_machine_is_taken_once_it_has_run_out_by_its_own_count() {
        assert!(free(false, false, Duration::ZERO));
        assert!(free(true, true, Duration::ZERO));
        assert!(!free(true, false, HOLDS - Duration::from_millis(1)));
        assert!(free(true, false, HOLDS));
        // Renewals that fail for as long as an import is patient cost nothing.
        assert!(RENEWED + PATIENCE < HOLDS);
    }

    #[test]
    fn no_row_is_sent_under_a_claim_that_another_run_may_have() {
        let minute = Duration::from_secs(60);
        assert!(hold(2 * minute, false).check().is_ok());
        // It may still be renewed: the row is sent then.
        let over = hold(minute / 2, false)
            .check()
            .expect_err("too little is left");
        assert_eq!(over.kind, Kind::Unreachable);
        let lost = hold(2 * minute, true).check().expect_err("it is lost");
        assert_eq!(lost.kind, Kind::Refused);
    }
}
