//! Nodes that were sent something and have not answered: what they have not read yet they write when they go on.
//!
//! Nothing of it can come any more once a node has answered what it was sent later, or its host says that nothing listens there,
//! and the servers' own time for a write has passed since. A line that was cut in between brings what it still had to carry after at
//! most as long again as it was cut: the pauses of TCP double.

use super::patience::PATIENCE;
use crate::backend::Stop;
use crate::backend::cassandra::Cassandra;
use crate::backend::cassandra::members;
use crate::backend::cassandra::query::{Knock, Sender};
use crate::error::{Error, Result};
use futures_util::future::join_all;
use scylla::errors::{RequestAttemptError, RequestError};
use scylla::observability::history::{AttemptId, HistoryListener, RequestId, SpeculativeId};
use scylla::policies::retry::RetryDecision;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Who answers has answered by then, and nobody needs to be told that it was waited.
const SOON: Duration = Duration::from_secs(1);

/// Between two questions to a node that has no connection.
const LOOK: Duration = Duration::from_millis(200);

/// To which node one request went.
#[derive(Debug, Default)]
pub struct Went(Mutex<Option<SocketAddr>>);

impl Went {
    /// The node; none where no attempt was made at all.
    pub fn node(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// kmig makes one attempt for a request, so nothing needs telling apart.
impl HistoryListener for Went {
    fn log_request_start(&self) -> RequestId {
        RequestId(0)
    }

    fn log_request_success(&self, _: RequestId) {}

    fn log_request_error(&self, _: RequestId, _: &RequestError) {}

    fn log_new_speculative_fiber(&self, _: RequestId) -> SpeculativeId {
        SpeculativeId(0)
    }

    fn log_attempt_start(
        &self,
        _: RequestId,
        _: Option<SpeculativeId>,
        node: SocketAddr,
    ) -> AttemptId {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        AttemptId(0)
    }

    fn log_attempt_success(&self, _: AttemptId) {}

    fn log_attempt_error(&self, _: AttemptId, _: &RequestAttemptError, _: &RetryDecision) {}
}

/// What became of a node that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It answers.
    Answers,
    /// Its process is gone, and has taken with it what it had not read.
    Gone,
    /// Neither, in time; or a signal came.
    Silent,
}

/// Waits until a node answers what it is sent from now on, or its process is gone.
pub async fn heard(sender: &Sender, member: Uuid, until: Instant, stop: &Stop) -> Ended {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ended::Silent;
        }
        // It goes over the connection that is there, behind what was sent before; a connection that is silent for too long is
        // closed by the driver.
        let knock = tokio::select! {
            knock = sender.knock(member, left) => knock,
            () = stop.wanted() => return Ended::Silent,
        };
        match knock {
            Knock::Answers => return Ended::Answers,
            Knock::Gone => return Ended::Gone,
            Knock::Silent => {}
        }
        if stop.pause(LOOK.min(left)).await.is_err() {
            return Ended::Silent;
        }
    }
}

/// The member at an address.
pub fn member_at(sender: &Sender, address: SocketAddr) -> Option<Uuid> {
    let state = sender.session.get_cluster_state();
    let mut nodes = state.get_nodes_info().iter();
    let node = nodes
        .find(|node| (node.address.ip(), node.address.port()) == (address.ip(), address.port()));
    node.map(|node| node.host_id)
}

impl Cassandra {
    /// Waits until nothing of another run can arrive any more that was ended at any moment: every node may have been sent
    /// something. `within` is the servers' own time for a write; `tell` hears what is waited for.
    ///
    /// # Errors
    /// A node stays silent, or a signal came.
    pub async fn until_heard(&self, within: Duration, tell: impl Fn(String)) -> Result<()> {
        let stop = self.stop();
        let sender = self.sender.working().await;
        let began = Instant::now();
        let members = members::ring(&sender, &BTreeSet::new()).await?;
        let (sender, stop) = (&sender, &stop);
        let ended = members.iter().map(|member| async move {
            let ended = heard(sender, member.id, began + PATIENCE, stop).await;
            (member.address.as_str(), ended)
        });
        let mut all = join_all(ended);
        let ended = match tokio::time::timeout(SOON, &mut all).await {
            Ok(ended) => ended,
            Err(_) => {
                tell(format!(
                    "until every node answers, for {} s at most",
                    PATIENCE.as_secs()
                ));
                all.await
            }
        };
        stop.check()?;
        let silent = ended.iter().filter(|(_, ended)| *ended == Ended::Silent);
        let silent: Vec<&str> = silent.map(|(address, _)| *address).collect();
        if !silent.is_empty() {
            return Err(Error::failed(format!(
                "a run was ended in the middle of a table with lists or counters, and what it had sent to {} may still be written: \
                 no answer for {} s",
                silent.join(", "),
                PATIENCE.as_secs()
            ))
            .now("what was imported stays; nothing more of that table was written")
            .next(BRING_BACK));
        }
        let left = within + began.elapsed();
        tell(format!("for {:.1} s", left.as_secs_f64()));
        stop.pause(left).await
    }
}

/// What to do about nodes that an import of lists and counters cannot do without.
pub const BRING_BACK: &str = "bring the nodes back, or remove them from the ring (nodetool removenode); then the same command, which goes on where this one stopped";
