//! What the lease and the fence say at one look, and who holds the lease by it.

use super::fault::Fault;
use super::lease::Taker;
use super::query::Rows;
use super::record::Recorder;
use crate::backend::Holder;
use crate::error::Result;
use crate::machine;
use crate::run::RunId;
use std::time::Duration;
use uuid::Uuid;

/// The static columns of schema_meta that fence every write of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The run that took the lease last and has not given it back.
    pub owner: Option<String>,
    /// Raised with each taking.
    pub epoch: Option<i64>,
    /// The level that conditional writes are decided at.
    pub serial: Option<String>,
    /// How long the owner's lease holds without a renewal.
    pub lease: Duration,
}

/// What lease and fence say.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The ticket of the lease's row, where one is there.
    pub ticket: Option<Uuid>,
    /// Counts its renewals.
    pub beat: Option<i64>,
    /// The fence.
    pub fence: Fence,
    /// Who holds the lease, for people.
    pub holder: Option<Holder>,
    /// The run that the row names.
    lessee: Option<String>,
}

impl Seen {
    /// Whether somebody has renewed, taken or given back in between.
    pub fn moved(&self, now: &Seen) -> bool {
        (self.ticket, self.beat, &self.fence) != (now.ticket, now.beat, &now.fence)
    }

    /// Whoever the lease or the fence names.
    pub fn owner(&self) -> Option<&String> {
        self.lessee.as_ref().or(self.fence.owner.as_ref())
    }
}

/// What lease and fence say now, those who write in doubt settled.
///
/// # Errors
/// The replicas do not answer.
pub async fn look(taker: &Taker<'_>) -> Result<Seen> {
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
pub fn since_epoch_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}
