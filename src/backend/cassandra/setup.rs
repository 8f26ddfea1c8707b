//! What comes before the lease: members that are all there and agree, clocks, the keyspace, kmig's own tables.

use super::fault::{Fault, Kind};
use super::lease::{self, Taker};
use super::members;
use super::query::How;
use super::tables::{self, Own};
use super::{Cassandra, names::identifier};
use crate::backend::Event;
use crate::error::{Error, Result};
use crate::machine;
use std::time::Duration;

/// A CREATE of one of kmig's tables that met another's is tried so often: both make the same.
const TRIES_MAX: usize = 5;

impl Cassandra {
    /// Takes the lease, and makes before what it stands on.
    pub(super) async fn take_lease(
        &mut self,
        wait: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        // A lease of this run that was lost is not renewed any more.
        self.lease = None;
        let members = self.agreement(tell).await.map_err(|error| {
            let error = error.now("nothing was run");
            Error {
                lost: false,
                ..error
            }
        })?;
        members::one_time(&self.sender, &members).await?;
        let at = self.sender.coordinator;
        self.own = tables::look(&self.sender, &self.recorder.names, at).await?;
        if !matches!(self.own, Own::There(_)) {
            self.make_tables(tell).await?;
        }
        let incarnation =
            tables::same_everywhere(&self.sender, &self.recorder.names, &members).await?;
        self.own = Own::There(incarnation);
        self.recorder.incarnation = incarnation;
        self.use_keyspace().await?;
        let lease = lease::take(&self.taker(), wait, tell).await?;
        self.quiet_from = lease.taken_over.then(|| {
            machine::since_boot() + self.options.request_timeout.min(self.options.lease / 2)
        });
        self.lease = Some(lease);
        Ok(())
    }

    pub(super) fn taker(&self) -> Taker<'_> {
        Taker {
            sender: &self.sender,
            recorder: &self.recorder,
            run: &self.options.run,
            ttl: self.options.lease,
            stop: &self.options.stop,
        }
    }

    /// Names in statements of the files mean this keyspace.
    async fn use_keyspace(&self) -> Result<()> {
        let keyspace = &self.recorder.names.keyspace;
        let used = self.sender.session.use_keyspace(keyspace, true).await;
        used.map_err(|error| {
            let mut error =
                Error::failed(format!("the keyspace {keyspace} cannot be used: {error}"))
                    .now("nothing was run");
            error.lost = true;
            error
        })
    }

    /// Makes the keyspace where it is not there, and kmig's tables in it.
    async fn make_tables(&mut self, tell: &mut dyn FnMut(Event)) -> Result<()> {
        let replication = match (&self.options.replication, self.own) {
            (Some(replication), _) => replication.clone(),
            (None, Own::NoKeyspace) => {
                return Err(Error::usage(format!(
                    "there is no keyspace {}, and nothing says how it is to be replicated",
                    self.recorder.names.keyspace
                ))
                .now("nothing was made")
                .next("[cassandra] replication = { class = \"NetworkTopologyStrategy\", dc1 = 3 } in kmig.toml, with the names of your datacenters; then kmig bootstrap"));
            }
            (None, _) => String::new(),
        };
        let texts = tables::statements(&self.recorder.names, &replication, self.own);
        for text in texts {
            self.make(&text, tell).await?;
            self.agreement(tell).await?;
        }
        Ok(())
    }

    /// Sends one of kmig's own statements, which takes what is there, until it is known to be there.
    pub(super) async fn make(&mut self, text: &str, tell: &mut dyn FnMut(Event)) -> Result<()> {
        for tried in 1.. {
            let how = How {
                timeout: Some(self.options.request_timeout),
                ..How::default()
            };
            match self.sender.send(text, how).await {
                Ok(_) => return Ok(()),
                Err(fault) if fault.kind == Kind::Refused || tried >= TRIES_MAX => {
                    return Err(self.unmade(fault));
                }
                // A racing maker of the same, or a slow node: it is sent again once all agree.
                Err(_) => {
                    self.agreement(tell).await?;
                }
            }
        }
        Ok(())
    }

    fn unmade(&self, fault: Fault) -> Error {
        let rights = fault.is(super::fault::UNAUTHORIZED);
        let error = fault
            .error()
            .now("kmig's own tables are not complete; nothing of the migrations was run");
        let names = &self.recorder.names;
        match (rights, self.own) {
            (true, Own::NoKeyspace) => error.next(format!(
                "GRANT CREATE ON ALL KEYSPACES TO this role, or let somebody make the keyspace {} who may",
                identifier(&names.keyspace)
            )),
            (true, _) => error.next(names.grant()),
            _ => error,
        }
    }
}
