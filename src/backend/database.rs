//! The database of the url, whichever engine it is.

use super::cassandra::Cassandra;
use super::postgres::Postgres;
use super::{
    Asked, Backend, Canceller, Ending, Entry, Event, Halt, Holder, Leftover, Scene, Sighting, Thing,
};
use crate::error::{Error, Result};
use crate::gate::{Demand, Doomed, Evidence};
use crate::plan::Batch;
use crate::plan::history::History;
use crate::plan::schedule::Unit;
use crate::plan::there::Wanted;
use crate::safety::Known;
use crate::source::{Migration, MigrationSet, Part, PartKind};
use std::time::Duration;

/// A connected database.
pub enum Database {
    /// Postgres.
    Postgres(Box<Postgres>),
    /// Cassandra.
    Cassandra(Box<Cassandra>),
}

/// Hands a call on to the engine in use.
macro_rules! to_engine {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            Database::Postgres($engine) => $call,
            Database::Cassandra($engine) => $call,
        }
    };
}

impl Backend for Database {
    async fn history(&mut self) -> Result<Option<History>> {
        to_engine!(self, engine => engine.history().await)
    }

    async fn lock(&mut self, wait: Duration, tell: &mut dyn FnMut(Event)) -> Result<()> {
        to_engine!(self, engine => engine.lock(wait, tell).await)
    }

    async fn recover(
        &mut self,
        lost: Error,
        within: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        to_engine!(self, engine => engine.recover(lost, within, tell).await)
    }

    async fn unlock(&mut self) -> Result<()> {
        to_engine!(self, engine => engine.unlock().await)
    }

    async fn set_up(&mut self) -> Result<()> {
        to_engine!(self, engine => engine.set_up().await)
    }

    async fn begin(&mut self, batch: &Batch, set: &MigrationSet) -> Result<()> {
        to_engine!(self, engine => engine.begin(batch, set).await)
    }

    async fn apply(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt> {
        to_engine!(self, engine => engine.apply(units, batch, gate, tell).await)
    }

    async fn evidence(&mut self, doomed: &Doomed) -> Result<Evidence> {
        to_engine!(self, engine => engine.evidence(doomed).await)
    }

    async fn sightings(&mut self, batch: i64) -> Result<Vec<Sighting>> {
        to_engine!(self, engine => engine.sightings(batch).await)
    }

    async fn sighted(&mut self, batch: i64, kind: &str, detail: &str) -> Result<()> {
        to_engine!(self, engine => engine.sighted(batch, kind, detail).await)
    }

    async fn shut_out(&mut self, roles: &[String]) -> Result<()> {
        to_engine!(self, engine => engine.shut_out(roles).await)
    }

    async fn ask(&mut self, part: &Part) -> Result<Asked> {
        to_engine!(self, engine => engine.ask(part).await)
    }

    async fn sweep(
        &mut self,
        migration: &Migration,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        to_engine!(self, engine => engine.sweep(migration, part, tell).await)
    }

    async fn note(&mut self, entry: Entry<'_>) -> Result<()> {
        to_engine!(self, engine => engine.note(entry).await)
    }

    async fn accept(
        &mut self,
        migration: &Migration,
        seals: &[(PartKind, Option<String>)],
        reason: &str,
    ) -> Result<()> {
        to_engine!(self, engine => engine.accept(migration, seals, reason).await)
    }

    async fn leftovers(&mut self) -> Result<Vec<Leftover>> {
        to_engine!(self, engine => engine.leftovers().await)
    }

    async fn look(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<usize>> {
        to_engine!(self, engine => engine.look(wanted).await)
    }

    async fn find(&mut self, wanted: &[&Wanted<'_>]) -> Result<Vec<Vec<Thing>>> {
        to_engine!(self, engine => engine.find(wanted).await)
    }

    async fn remove(&mut self, things: &[Thing], tell: &mut dyn FnMut(Event)) -> Result<()> {
        to_engine!(self, engine => engine.remove(things, tell).await)
    }

    async fn adopt(
        &mut self,
        batch: &Batch,
        set: &MigrationSet,
        entries: &[Entry<'_>],
    ) -> Result<()> {
        to_engine!(self, engine => engine.adopt(batch, set, entries).await)
    }

    async fn known(&mut self, words: &[String]) -> Result<Known> {
        to_engine!(self, engine => engine.known(words).await)
    }

    async fn holder(&mut self) -> Result<Option<Holder>> {
        to_engine!(self, engine => engine.holder().await)
    }

    async fn scene(&mut self) -> Result<Option<Scene>> {
        to_engine!(self, engine => engine.scene().await)
    }

    async fn end(&mut self, holder: &Holder) -> Result<Ending> {
        to_engine!(self, engine => engine.end(holder).await)
    }

    async fn note_broken(&mut self, holder: &Holder, reason: Option<&str>) -> Result<()> {
        to_engine!(self, engine => engine.note_broken(holder, reason).await)
    }

    fn name(&self) -> &str {
        to_engine!(self, engine => engine.name())
    }

    fn for_reset(&mut self) {
        to_engine!(self, engine => engine.for_reset());
    }

    fn leave_out(&mut self, members: &[String]) -> Result<()> {
        to_engine!(self, engine => engine.leave_out(members))
    }

    fn canceller(&self) -> Option<Canceller> {
        to_engine!(self, engine => engine.canceller())
    }
}
