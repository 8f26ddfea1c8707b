//! The executor's lease: a row that expires unless it is renewed, and an epoch that does not.
//!
//! The row says who works now; each renewal writes all its columns, since an expiry is per cell (cassandra.md §3.5). The
//! epoch, in the static columns of schema_meta, fences: it is raised with each taking, and every write of state asks for
//! it. A holder counts its time by a clock that goes on while a machine sleeps, from before it sent the last renewal; who
//! takes over from one that has not given back has seen no renewal for a whole lease by its own clock (traps C8). So no
//! server's clock decides who works.

use super::fault::{Fault, Kind};
use super::names::literal;
use super::query::{How, Rows, Sender};
use super::record::Recorder;
use super::renewal::{Renewal, Time, renewal_text};
use super::state::{Owner, fenced};
use crate::backend::{Ending, Event, Holder, Stop};
use crate::error::{Error, Exit, Result};
use crate::machine;
use crate::run::RunId;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest pause between two looks at another's lease.
const POLL_MAX: Duration = Duration::from_millis(500);

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
    time: Arc<Time>,
    renewal: JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Lease {
    /// Passes once more time is left than `need`, so that what is sent now is answered before anybody can take over.
    ///
    /// # Errors
    /// The lease was lost, or could not be renewed in time.
    pub async fn check(&self, need: Duration) -> Result<()> {
        loop {
            let left = self.time.left();
            if left > need {
                return Ok(());
            }
            if left.is_zero() {
                return Err(fenced());
            }
            tokio::time::sleep(Duration::from_millis(10).min(left)).await;
        }
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

/// The static columns of schema_meta that fence every write of state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fence {
    /// The run that took the lease last and has not given it back.
    owner: Option<String>,
    /// Raised with each taking.
    epoch: Option<i64>,
    /// The level that conditional writes are decided at.
    serial: Option<String>,
    /// How long the owner's lease holds without a renewal.
    lease: Duration,
}

/// What lease and fence say.
#[derive(Debug, Clone)]
struct Seen {
    ticket: Option<Uuid>,
    beat: Option<i64>,
    fence: Fence,
    holder: Option<Holder>,
    lessee: Option<String>,
}

impl Seen {
    /// Whether somebody has renewed, taken or given back in between.
    fn moved(&self, now: &Seen) -> bool {
        (self.ticket, self.beat, &self.fence) != (now.ticket, now.beat, &now.fence)
    }

    fn owner(&self) -> Option<&String> {
        self.lessee.as_ref().or(self.fence.owner.as_ref())
    }
}

async fn look(taker: &Taker<'_>) -> Result<Seen> {
    let Recorder {
        names, incarnation, ..
    } = taker.recorder;
    let lease = format!(
        "SELECT owner, ticket, beat, executed_by, application, since FROM {} WHERE incarnation = {incarnation}",
        names.lease
    );
    let fence = format!(
        "SELECT owner, epoch, serial, lease_seconds FROM {} WHERE incarnation = {incarnation} LIMIT 1",
        names.meta
    );
    let (lease, fence) = tokio::join!(
        taker.sender.read_serial(&lease),
        taker.sender.read_serial(&fence)
    );
    let (lease, fence) = (lease.map_err(Fault::error)?, fence.map_err(Fault::error)?);
    let row = lease.first();
    let fence = fence.first();
    Ok(Seen {
        ticket: row.and_then(|row| row.uuid("ticket")),
        beat: row.and_then(|row| row.number("beat")),
        lessee: row.and_then(|row| row.text("owner")).map(str::to_string),
        holder: holder(&lease, taker.run),
        fence: Fence {
            owner: fence.and_then(|row| row.text("owner")).map(str::to_string),
            epoch: fence.and_then(|row| row.number("epoch")),
            serial: fence.and_then(|row| row.text("serial")).map(str::to_string),
            lease: fence
                .and_then(|row| row.number("lease_seconds"))
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map_or(Duration::ZERO, Duration::from_secs),
        },
    })
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
    same_serial(sender, seen.fence.serial.as_deref())?;
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
        ttl.as_secs()
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
        literal(serial_word(sender)),
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
fn same_serial(sender: &Sender, stored: Option<&str>) -> Result<()> {
    let word = serial_word(sender);
    match stored {
        Some(stored) if stored != word => Err(Error::new(
            Exit::Refused,
            format!("this keyspace is migrated at serial consistency {stored}, and {word} is configured"),
        )
        .now("nothing was run")
        .next(format!("serial_consistency = \"{stored}\" in [cassandra] of kmig.toml, in every project that migrates this keyspace"))),
        _ => Ok(()),
    }
}

fn serial_word(sender: &Sender) -> &'static str {
    match sender.serial {
        scylla::statement::SerialConsistency::Serial => "SERIAL",
        scylla::statement::SerialConsistency::LocalSerial => "LOCAL_SERIAL",
    }
}

/// Who holds the lease, by its row.
pub fn holder(rows: &Rows, this: &RunId) -> Option<Holder> {
    let row = rows.first()?;
    let owner = row.text("owner")?;
    let run = RunId::parse(owner);
    let gone = run
        .as_ref()
        .is_some_and(|run| machine::proves_dead(run, this));
    let since = row.number("since");
    let now = since_epoch_ms();
    Some(Holder {
        pid: run.as_ref().map_or(0, |run| i64::from(run.pid)),
        application: row.text("application").unwrap_or(owner).to_string(),
        run: Some(owner.to_string()),
        address: None,
        seconds: since.map_or(0, |since| (now - since) / 1000),
        gone,
        began: since,
        leases: true,
    })
}

/// For people only: no decision hangs on it.
fn since_epoch_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
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
