//! Writes of state: conditional batches on owner and epoch, so that an executor that was fenced out writes nothing
//! (traps C5), and each settled where nobody knows whether it was applied (traps C6).

use super::fault::{Fault, Kind};
use super::names::literal;
use super::query::Sender;
use super::record::Recorder;
use crate::backend::Stop;
use crate::error::{Error, Result};
use std::time::Duration;
use uuid::Uuid;

/// How often a conditional write is tried that was not applied for certain.
const TRIES_MAX: usize = 5;

/// Who may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The run.
    pub run: String,
    /// Its epoch.
    pub epoch: i64,
}

/// Why a write of state was not made.
#[derive(Debug)]
pub enum Denied {
    /// Another executor has taken over.
    Fenced,
    /// The row does not stand where it should.
    Elsewhere,
    /// The cluster did not answer, or refused.
    Failed(Fault),
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Fenced => fenced(),
            Denied::Elsewhere => Error::failed(
                "a migration does not stand in schema_meta where this run left it, though nobody took over",
            )
            .now("nothing more was run")
            .next("compare schema_meta with its journal; kmig alone writes these tables"),
            Denied::Failed(fault) => {
                let code = fault.code.is_some();
                let mut error = fault.error();
                error.now.get_or_insert_with(|| {
                    "what was told as done is recorded; whether this record was written is read at the next run".to_string()
                });
                // Replicas that do not answer now may do so soon.
                error.lost |= !code;
                error
            }
        }
    }
}

/// The error of a run that was fenced out.
pub fn fenced() -> Error {
    let mut error = Error::failed("another executor has taken over the lease of this run")
        .now("this run writes nothing more; what was told as done is recorded")
        .next("kmig status");
    error.lost = true;
    error
}

/// Applies statements on the partition of the state, all or none of them.
///
/// # Errors
/// Nothing was written, or nobody knows.
pub async fn write(
    sender: &Sender,
    recorder: &Recorder,
    owner: &Owner,
    statements: &[String],
    stop: &Stop,
) -> Result<(), Denied> {
    let meta = &recorder.names.meta;
    let partition = format!("incarnation = {}", recorder.incarnation);
    let mut pause = Duration::from_millis(20);
    // One for all tries: an earlier one may be applied after the serial read that did not find it.
    let tag = Uuid::new_v4();
    for tried in 1.. {
        let mut request = format!(
            "BEGIN BATCH UPDATE {meta} SET written = {tag} WHERE {partition} IF owner = {} AND epoch = {};",
            literal(&owner.run),
            owner.epoch
        );
        for statement in statements {
            request.push_str(statement);
            request.push(';');
        }
        request.push_str(" APPLY BATCH");
        let doubt = match sender.read(&request).await {
            Ok(rows) if rows.applied() => return Ok(()),
            Ok(_) => None,
            Err(fault) if fault.kind == Kind::Refused => return Err(Denied::Failed(fault)),
            Err(fault) => Some(fault),
        };
        // A serial read settles what is in flight, and then tells.
        if settle(sender, recorder, owner, tag, stop).await? {
            return Ok(());
        }
        match doubt {
            None => return Err(Denied::Elsewhere),
            Some(fault) if tried >= TRIES_MAX => return Err(Denied::Failed(fault)),
            Some(_) => {}
        }
        // A signal is heard between two statements, not in the middle of a record.
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(Denied::Elsewhere)
}

/// Reads until the cluster tells whether a write with this tag was applied.
async fn settle(
    sender: &Sender,
    recorder: &Recorder,
    owner: &Owner,
    tag: Uuid,
    stop: &Stop,
) -> Result<bool, Denied> {
    let meta = &recorder.names.meta;
    let look = format!(
        "SELECT owner, epoch, written FROM {meta} WHERE incarnation = {} LIMIT 1",
        recorder.incarnation
    );
    let mut pause = Duration::from_millis(50);
    let mut tried = 0;
    loop {
        match sender.read_serial(&look).await {
            Ok(rows) => {
                let row = rows.first();
                let is = |name: &str| row.and_then(|row| row.text(name));
                if row.and_then(|row| row.uuid("written")) == Some(tag) {
                    return Ok(true);
                }
                let epoch = row.and_then(|row| row.number("epoch"));
                if is("owner") != Some(&owner.run) || epoch != Some(owner.epoch) {
                    return Err(Denied::Fenced);
                }
                return Ok(false);
            }
            Err(fault) => {
                tried += 1;
                if tried > TRIES_MAX || stop.check().is_err() {
                    return Err(Denied::Failed(fault));
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
