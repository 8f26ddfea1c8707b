//! The executor's lease: a row that expires unless it is renewed, and an epoch that does not.
//!
//! The row says who works now; each renewal writes all its columns, since an expiry is per cell (cassandra.md §3.5). The
//! epoch, in the static columns of schema_meta, fences: it is raised with each taking, and every write of state asks for
//! it. A holder counts its time by a clock that goes on while a machine sleeps, from before it sent the last renewal; who
//! takes over from one that has not given back has seen no renewal for a whole lease by its own clock (traps C8). So no
//! server's clock decides who works.

use super::fault::{Fault, Kind};
use super::names::literal;
use super::query::{How, Sender};
use super::record::Recorder;
use super::renewal::{Renewal, Time, renewal_text, row_seconds};
use super::seen::{Seen, look, since_epoch_ms};
use super::state::{Owner, fenced};
use crate::backend::{Ending, Event, Holder, Stop};
use crate::error::{Error, Exit, Result};
use crate::machine;
use crate::run::RunId;
use scylla::statement::SerialConsistency;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest pause between two looks at another's lease.
const POLL_MAX: Duration = Duration::from_millis(500);

/// How long a renewal is waited for, at least, before the run gives the lease up.
const RENEWAL_WAIT: Duration = Duration::from_secs(5);

/// Between two looks at what is left of the lease.
const CHECK_POLL: Duration = Duration::from_millis(10);

/// Who takes the lease, and for how long.
pub struct Taker<'a> {
    /// Sends.
    pub sender: &'a Sender,
    /// The tables.
    pub recorder: &'a Recorder,
    /// This run.
    pub run: &'a RunId,
    /// How long the lease holds without a renewal.
    pub ttl: Duration,
    /// The level that conditional writes are decided at, as it is stored.
    pub serial: String,
    /// Whether a signal wants the run to end.
    pub stop: &'a Stop,
}

/// A lease that is held.
pub struct Lease {
    /// Who writes under it.
    pub owner: Owner,
    /// Whether the one before did not give it back: what it had sent may still arrive (traps C4).
    pub taken_over: bool,
    ticket: Uuid,
    ttl: Duration,
    time: Arc<Time>,
    renewal: JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Lease {
    /// Passes once more time is left than `need`, so that what is sent now is answered before anybody can take over. One
    /// that ran out may still be renewed as long as nobody has taken over: a server that was busy for longer than a short
    /// lease lasts is waited for.
    ///
    /// # Errors
    /// The lease was lost, or could not be renewed in time.
    pub async fn check(&self, need: Duration) -> Result<()> {
        let deadline = machine::since_boot() + self.ttl.max(RENEWAL_WAIT);
        while self.time.left() <= need {
            if self.time.is_lost() {
                return Err(fenced());
            }
            if machine::since_boot() >= deadline {
                return Err(not_renewed());
            }
            tokio::time::sleep(CHECK_POLL).await;
        }
        Ok(())
    }

    /// Gives the lease back; in the middle of a statement nobody knows of `in_doubt`, the owner stays in the fence, so that
    /// the next executor waits for what may still arrive (traps C4).
    ///
    /// # Errors
    /// The cluster does not answer; the lease then runs out by itself.
    pub async fn release(self, taker: &Taker<'_>, in_doubt: bool) -> Result<()> {
        self.renewal.abort();
        let Recorder {
            names, incarnation, ..
        } = taker.recorder;
        // First the fence: once it has no owner, the next executor need not wait for a whole lease.
        let clear = format!(
            "UPDATE {} SET owner = null WHERE incarnation = {incarnation} IF owner = {} AND epoch = {}",
            names.meta,
            literal(&self.owner.run),
            self.owner.epoch
        );
        // Sent twice it finds nothing to clear.
        let sender = taker.sender;
        if !in_doubt {
            let cleared = sender.settled(&clear, How::default()).await;
            cleared.map_err(Fault::error)?;
        }
        let delete = format!(
            "DELETE FROM {} WHERE incarnation = {incarnation} IF ticket = {}",
            names.lease, self.ticket
        );
        let deleted = sender.settled(&delete, How::default()).await;
        deleted.map_err(Fault::error)?;
        Ok(())
    }
}

/// Takes the lease, or says who has it once `wait` is over.
///
/// # Errors
/// Another executor holds it (6), the cluster does not answer, a signal came.
pub async fn take(taker: &Taker<'_>, wait: Duration, tell: &mut dyn FnMut(Event)) -> Result<Lease> {
    let mut deadline = machine::since_boot() + wait;
    let mut pause = Duration::from_millis(20);
    let mut told: Option<Option<String>> = None;
    // The state of the lease as it was first seen, and when.
    let mut seen: Option<(Seen, Duration)> = None;
    loop {
        let now = look(taker).await?;
        let since = machine::since_boot();
        if seen.as_ref().is_none_or(|(before, _)| before.moved(&now)) {
            seen = Some((now.clone(), since));
        }
        let unmoved = seen
            .as_ref()
            .map_or(Duration::ZERO, |(_, first)| since - *first);
        let run = taker.run.to_string();
        let other = now.owner().filter(|owner| **owner != run);
        let dead = other.and_then(|owner| RunId::parse(owner));
        let dead = dead.is_some_and(|owner| machine::proves_dead(&owner, taker.run));
        // One that renews less often than this run would may count on it for longer.
        let patience = now.fence.lease.max(taker.ttl);
        let free = match (&now.ticket, other) {
            (None, None) => true,
            // Its row has expired by some server's clock: it may still count on it.
            (_, Some(_)) => dead || unmoved >= patience,
            // A session of this very run, which it has given up.
            (Some(_), None) => true,
        };
        if free {
            if let (Some(holder), true) = (&now.holder, other.is_some()) {
                tell(Event::Orphan(holder.clone(), Ending::Told));
            }
            if let Some(lease) = seize(taker, &now).await? {
                return Ok(lease);
            }
            // Somebody was faster.
            taker.stop.check()?;
            continue;
        }
        let left = deadline.saturating_sub(since);
        if left.is_zero() {
            return Err(busy(now.holder.as_ref(), wait));
        }
        let news = now.owner().cloned();
        if told.as_ref() != Some(&news) {
            tell(Event::Waiting(now.holder.clone()));
            told = Some(news);
            // One that is dead may keep its lease for as long as it lasts: that is no reason to give up before.
            if now.holder.is_none() {
                deadline = deadline.max(since + taker.ttl * 2);
            }
        }
        taker.stop.pause(pause.min(left)).await?;
        pause = (pause * 2)
            .min(POLL_MAX)
            .mul_f64(0.5 + fastrand::f64() / 2.0);
    }
}

/// Takes the lease as it was seen; nothing where it has changed since.
async fn seize(taker: &Taker<'_>, seen: &Seen) -> Result<Option<Lease>> {
    let Taker {
        sender,
        recorder,
        run,
        ttl,
        ..
    } = taker;
    same_serial(&taker.serial, seen.fence.serial.as_deref())?;
    let names = &recorder.names;
    let incarnation = recorder.incarnation;
    if let Some(ticket) = seen.ticket {
        let beat = seen
            .beat
            .map_or_else(|| "null".to_string(), |beat| beat.to_string());
        let delete = format!(
            "DELETE FROM {} WHERE incarnation = {incarnation} IF ticket = {ticket} AND beat = {beat}",
            names.lease
        );
        sender
            .settled(&delete, How::default())
            .await
            .map_err(Fault::error)?;
    }
    let ticket = Uuid::new_v4();
    let since = since_epoch_ms();
    let sent = machine::since_boot();
    let insert = format!(
        "INSERT INTO {} (incarnation, owner, ticket, beat, executed_by, application, since) \
         VALUES ({incarnation}, {}, {ticket}, 0, {}, {}, {since}) IF NOT EXISTS USING TTL {}",
        names.lease,
        literal(&run.to_string()),
        literal(&recorder.by),
        literal(&run.application(&recorder.by)),
        row_seconds(*ttl)
    );
    if !won(sender, &insert, ticket, taker).await? {
        return Ok(None);
    }
    let owner = Owner {
        run: run.to_string(),
        epoch: seen.fence.epoch.unwrap_or(0) + 1,
    };
    let old = seen
        .fence
        .epoch
        .map_or_else(|| "null".to_string(), |epoch| epoch.to_string());
    let raise = format!(
        "UPDATE {} SET owner = {}, epoch = {}, serial = {}, lease_seconds = {} WHERE incarnation = {incarnation} IF epoch = {old}",
        names.meta,
        literal(&owner.run),
        owner.epoch,
        literal(&taker.serial),
        ttl.as_secs()
    );
    let raised = match sender.read(&raise).await {
        Ok(rows) => rows.applied(),
        Err(fault) if fault.kind == Kind::Refused => return Err(fault.error()),
        Err(_) => {
            let now = look(taker).await?;
            now.fence.owner.as_ref() == Some(&owner.run) && now.fence.epoch == Some(owner.epoch)
        }
    };
    if !raised {
        // One that was slow raised it in between, and is fenced out by the next try: this run has the lease.
        let delete = format!(
            "DELETE FROM {} WHERE incarnation = {incarnation} IF ticket = {ticket}",
            names.lease
        );
        sender
            .settled(&delete, How::default())
            .await
            .map_err(Fault::error)?;
        return Ok(None);
    }
    let time = Arc::new(Time {
        until: Mutex::new(sent + *ttl),
        lost: AtomicBool::new(false),
    });
    let renewal = Renewal {
        sender: (*sender).clone(),
        text: renewal_text(recorder, run, (ticket, since), *ttl),
        ticket,
        lease: format!(
            "SELECT ticket FROM {} WHERE incarnation = {incarnation}",
            names.lease
        ),
        ttl: *ttl,
        time: Arc::clone(&time),
    };
    Ok(Some(Lease {
        owner,
        taken_over: seen.owner().is_some(),
        ticket,
        ttl: *ttl,
        time,
        renewal: tokio::spawn(renewal.run()),
    }))
}

/// Whether a conditional write of the lease was applied; one in doubt is settled by a serial read (traps C6).
async fn won(sender: &Sender, text: &str, ticket: Uuid, taker: &Taker<'_>) -> Result<bool> {
    match sender.read(text).await {
        Ok(rows) => Ok(rows.applied()),
        Err(fault) if fault.kind == Kind::Refused => Err(fault.error()),
        Err(_) => Ok(look(taker).await?.ticket == Some(ticket)),
    }
}

/// Refuses another serial level than the one that is stored: two levels exclude nobody (traps C5).
pub fn same_serial(own: &str, stored: Option<&str>) -> Result<()> {
    let Some(stored) = stored.filter(|stored| *stored != own) else {
        return Ok(());
    };
    let next = match stored.split_once(LOCAL) {
        None => format!("serial_consistency = \"{stored}\" in [cassandra] of kmig.toml"),
        Some((level, datacenter)) => format!(
            "serial_consistency = \"{level}\" and local_datacenter = \"{datacenter}\" in [cassandra] of kmig.toml"
        ),
    };
    Err(Error::new(
        Exit::Refused,
        format!("this keyspace is migrated at serial consistency {stored}, and this run decides at {own}"),
    )
    .now("nothing was run")
    .next(format!("{next}, in every project that migrates this keyspace")))
}

/// Between a level that counts in one datacenter, and the datacenter.
const LOCAL: &str = " in ";

/// The level that conditional writes are decided at, as it is stored: a local one together with its datacenter, since
/// those of two datacenters exclude nobody either.
pub fn serial_word(serial: SerialConsistency, datacenter: &str) -> String {
    match serial {
        SerialConsistency::Serial => "SERIAL".to_string(),
        SerialConsistency::LocalSerial => format!("LOCAL_SERIAL{LOCAL}{datacenter}"),
    }
}

/// The error of a run whose lease has run out by its own count; it is taken anew, if nobody was faster.
fn not_renewed() -> Error {
    let mut error = Error::failed("the lease of this run could not be renewed in time")
        .now("this run writes nothing more under it; what was told as done is recorded")
        .next("kmig status");
    error.lost = true;
    error
}

fn busy(holder: Option<&Holder>, wait: Duration) -> Error {
    let who = match holder {
        Some(holder) => holder.to_string(),
        None => "one that has not given it back, though its lease has expired".to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A lease that holds for so long by its own count.
    fn lease(left: Duration) -> Lease {
        let time = Time {
            until: Mutex::new(machine::since_boot() + left),
            lost: AtomicBool::new(false),
        };
        Lease {
            owner: Owner {
                run: "a run".to_string(),
                epoch: 1,
            },
            taken_over: false,
            ticket: Uuid::nil(),
            ttl: Duration::from_secs(2),
            time: Arc::new(time),
            renewal: tokio::spawn(std::future::pending()),
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_while_less_of_the_lease_is_left_than_its_answer_may_take() {
        let need = Duration::from_secs(60);
        assert!(lease(2 * need).check(need).await.is_ok());
        // Nobody renews it: it is waited for, and then given up.
        let short = lease(need / 2);
        let error = short.check(need).await.expect_err("too little is left");
        assert!(error.lost && error.message.contains("could not be renewed"));
        // Renewed while it is waited for, even after it ran out.
        let over = lease(Duration::ZERO);
        let time = Arc::clone(&over.time);
        let renews = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            time.renewed(machine::since_boot() + 2 * need);
        };
        let (checked, ()) = tokio::join!(over.check(need), renews);
        assert!(checked.is_ok());
        // Somebody took over: time is left, and counts for nothing.
        let lost = lease(2 * need);
        lost.time
            .lost
            .store(true, std::sync::atomic::Ordering::SeqCst);
        let error = lost.check(need).await.expect_err("it is lost");
        assert!(error.lost && error.message.contains("has taken over"));
    }
}
