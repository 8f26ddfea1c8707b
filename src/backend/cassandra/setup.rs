//! What comes before the lease: members that are all there and agree, clocks, the keyspace, kmig's own tables.

use super::fault::{Fault, Kind};
use super::lease::{self, Taker};
use super::members::Member;
use super::query::How;
use super::tables::{self, Own};
use super::{Cassandra, clocks, names::identifier, replicas, rights};
use crate::backend::Event;
use crate::error::{Error, Exit, Result};
use crate::machine;
use crate::settings::Replication;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A CREATE of one of kmig's tables that met another's is tried so often: both make the same.
const TRIES_MAX: usize = 5;

/// How long kmig's tables are looked at that seem not to be as kmig makes them, and how often.
const ARRIVAL: Duration = Duration::from_secs(5);
const ARRIVAL_POLL: Duration = Duration::from_millis(250);

/// How long a ring that seems too small is looked at, and how often.
const RING_START: Duration = Duration::from_secs(5);
const RING_POLL: Duration = Duration::from_millis(250);

impl Cassandra {
    /// Takes the lease, and makes before what it stands on.
    pub(super) async fn take_lease(
        &mut self,
        wait: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        // A lease of this run that was lost is not renewed any more.
        self.lease = None;
        self.sender.timeout = self.options.request_timeout;
        let members = self.agreement(tell).await.map_err(|error| {
            let error = error.now("nothing was run");
            Error {
                lost: false,
                ..error
            }
        })?;
        clocks::one_time(&self.sender, &members).await?;
        let at = self.sender.coordinator;
        self.own = tables::look(&self.sender, &self.recorder.names, at).await?;
        self.permitted().await?;
        match self.own {
            Own::There(_) => {}
            own => self.make_tables(own, &members, tell).await?,
        }
        let incarnation = self.read_back(tell).await?;
        self.own = Own::There(incarnation);
        self.recorder.incarnation = incarnation;
        self.use_keyspace().await?;
        // Shorter than the lease lasts, so that a request that is sent while enough of it is left is answered, or given up,
        // before it runs out. Without a lease a busy server has all the time that it may take.
        self.sender.timeout = self.options.request_timeout.min(self.options.lease / 2);
        let lease = lease::take(&self.taker(), wait, tell).await?;
        self.quiet_from = lease
            .taken_over
            .then(|| machine::since_boot() + self.sender.timeout);
        self.lease = Some(lease);
        Ok(())
    }

    /// The datacenter of the coordinator, which a local level is meant for.
    fn datacenter(&self) -> &str {
        let member = self.members.member(self.sender.coordinator);
        member.map_or("?", |member| &member.datacenter)
    }

    pub(super) fn taker(&self) -> Taker<'_> {
        Taker {
            sender: &self.sender,
            recorder: &self.recorder,
            run: &self.options.run,
            ttl: self.options.lease,
            serial: lease::serial_word(self.sender.serial, self.datacenter()),
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

    /// Refuses a role that lacks a right that a run needs, before the run stops in the middle for it.
    async fn permitted(&self) -> Result<()> {
        let Some(role) = &self.options.role else {
            return Ok(());
        };
        let keyspace = &self.recorder.names.keyspace;
        let there = self.own != Own::NoKeyspace;
        let grants = rights::missing(&self.sender, role, keyspace, there).await?;
        match grants.is_empty() {
            true => Ok(()),
            false => Err(rights::refusal(role, "a migration", &grants)),
        }
    }

    /// Makes the keyspace where it is not there, and kmig's tables in it.
    async fn make_tables(
        &mut self,
        own: Own,
        members: &[Member],
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let keyspace = &self.recorder.names.keyspace;
        let replication = match (&self.options.replication, own) {
            (Some(replication), Own::NoKeyspace) => {
                let cql = replication.cql();
                self.servable(&replication.clone(), members, tell).await?;
                cql
            }
            (None, Own::NoKeyspace) => {
                return Err(Error::usage(format!(
                    "there is no keyspace {keyspace}, and nothing says how it is to be replicated"
                ))
                .now("nothing was made")
                .next("[cassandra] replication = { class = \"NetworkTopologyStrategy\", dc1 = 3 } in kmig.toml, with the names of your datacenters; then kmig bootstrap"));
            }
            // It is used as it is, and has to have its replicas all the same.
            (_, _) => {
                let map = replicas::of(&self.sender, self.sender.coordinator, keyspace).await?;
                if let Some(why) = replicas::lacking(&map, members) {
                    tell(Event::Notice {
                        severity: "WARNING".to_string(),
                        message: format!(
                            "the keyspace {keyspace} cannot have all its replicas: {why}"
                        ),
                    });
                }
                String::new()
            }
        };
        let texts = tables::statements(&self.recorder.names, &replication, own);
        for text in texts {
            self.make(&text, tell).await?;
            self.agreement(tell).await?;
        }
        Ok(())
    }

    /// Reads kmig's own tables back at every member. The CREATE of a run that was killed may be arriving just now, and stands
    /// in system_schema table by table, before the schema's version tells of it: what does not fit is looked at again.
    async fn read_back(&mut self, tell: &mut dyn FnMut(Event)) -> Result<Uuid> {
        let deadline = Instant::now() + ARRIVAL.min(self.options.agreement);
        loop {
            let members = self.agreement(tell).await?;
            let read = tables::same_everywhere(&self.sender, &self.recorder.names, &members).await;
            match read {
                Err(error) if error.exit == Exit::Failed && Instant::now() < deadline => {
                    self.options.stop.pause(ARRIVAL_POLL).await?;
                }
                read => return read,
            }
        }
    }

    /// Waits for a moment where the members cannot serve a replication: a ring that has just started has not heard of all
    /// of them yet.
    async fn servable(
        &mut self,
        replication: &Replication,
        members: &[Member],
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let deadline = Instant::now() + RING_START.min(self.options.agreement);
        let mut refused = replicas::servable(replication, members);
        while refused.is_err() && Instant::now() < deadline {
            self.options.stop.pause(RING_POLL).await?;
            let members = self.agreement(tell).await?;
            refused = replicas::servable(replication, &members);
        }
        refused
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
