//! A run goes on after its coordinator was lost, or its lease.

use super::Cassandra;
use crate::backend::Event;
use crate::error::{Error, Result};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is tried.
const POLL: Duration = Duration::from_millis(250);

impl Cassandra {
    /// Looks for a member that answers, for as long as `within`. The lease is to be taken anew, and with it all members
    /// are asked for their agreement before anything else is sent through another coordinator.
    pub(super) async fn recover_session(
        &mut self,
        lost: Error,
        within: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        self.lease = None;
        if within.is_zero() {
            return Err(lost);
        }
        tell(Event::Lost {
            message: lost.message.clone(),
            within,
        });
        let deadline = Instant::now() + within;
        let probe = "SELECT host_id FROM system.local";
        let answer = Duration::from_secs(2);
        loop {
            self.options.stop.check()?;
            let own = self.sender.coordinator;
            if self.sender.ask_member(own, probe, answer).await.is_ok() {
                break;
            }
            let state = self.sender.session.get_cluster_state();
            let nodes = state.get_nodes_info();
            let home = nodes.iter().find(|node| node.host_id == own);
            let home = home.and_then(|node| node.datacenter.clone());
            // A local level counts in the datacenter that it was meant for, and nowhere else.
            let local = self.sender.decides_locally();
            let others = nodes
                .iter()
                .filter(|node| node.host_id != own && (!local || node.datacenter == home));
            let others: Vec<_> = others.map(|node| node.host_id).collect();
            let mut found = None;
            for other in others {
                if self.sender.ask_member(other, probe, answer).await.is_ok() {
                    found = Some(other);
                    break;
                }
            }
            if let Some(other) = found {
                self.sender.coordinator = other;
                break;
            }
            if Instant::now() >= deadline {
                return Err(Error {
                    lost: false,
                    ..lost
                });
            }
            self.options.stop.pause(POLL).await?;
        }
        if self.is_broken().await? {
            return Err(Error::failed(
                "the lease of this run was taken away (kmig lock break), which kmig takes for an order to stop",
            )
            .now("this run writes nothing more; what was told as done is recorded")
            .next("the same command, which continues where it stopped"));
        }
        tell(Event::Recovered);
        Ok(())
    }
}
