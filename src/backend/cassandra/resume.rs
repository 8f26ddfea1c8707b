//! Settles what an earlier run left in doubt, and keeps apart what a fenced-out one may still have on its way.

use super::Cassandra;
use super::ddl::Failure;
use super::dml::Answer;
use super::intent::Intent;
use super::schema;
use crate::backend::Event;
use crate::cql::proof::taken;
use crate::cql::{Act, Change, Statement};
use crate::error::{Error, Exit, Result};
use crate::machine;
use crate::plan::schedule::Unit;
use crate::source::Part;

impl Cassandra {
    /// How many statements of an intent that an earlier run left open need not be sent any more.
    ///
    /// # Errors
    /// The file says something else now; or what is there is none of theirs.
    pub(super) async fn settled(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        intent: &Intent,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        // What was sent may still arrive, and what is there may be of it: nothing else is sent in its stead (traps C1).
        if !intent.same_text(part) {
            return Err(edited(part, intent.from));
        }
        let statements = part.cql.get(intent.from..intent.to).unwrap_or_default();
        let Some(first) = statements.first() else {
            return Ok(0);
        };
        let label = part.place(intent.from).label();
        if let Some(done) = self.done_when(first, Answer::Missing).await? {
            if !done && intent.answered {
                return Err(super::apply::unconfirmed(part, intent.from));
            }
            let word = if done { "has" } else { "has not" };
            tell(Event::Reconciled(format!(
                "{label}: an earlier run was sending this statement; its done-when says that it {word} taken effect"
            )));
            return Ok(usize::from(done));
        }
        if super::share::writes(&first.act) {
            self.too_late(unit, first, intent).await?;
            let again = match super::share::repeatable(first) {
                true => "it is sent again, and writes the same cells",
                false => "it is sent again",
            };
            tell(Event::Reconciled(format!(
                "{label}: an earlier run was sending this statement; {again}"
            )));
            return Ok(0);
        }
        let done = self.there(part, intent, tell).await?;
        let word = if done > 0 { "has" } else { "has not" };
        let text = match statements.len() {
            1 => format!("this statement; it {word} taken effect at every member"),
            many => format!(
                "{many} statements from here on; {done} of them took effect at every member"
            ),
        };
        tell(Event::Reconciled(format!(
            "{label}: an earlier run was sending {text}"
        )));
        Ok(done)
    }

    /// How many statements that change the schema have taken effect at every member, once all agree.
    async fn there(
        &mut self,
        part: &Part,
        intent: &Intent,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        let members = self.agreement(tell).await?;
        let own = self.recorder.names.keyspace.clone();
        let run = intent.run(part, intent.to);
        let (keyspace, objects) = schema::objects(run.iter().map(|sent| sent.act), &own);
        let found = schema::of_all(&self.sender, &members, &keyspace, &objects).await?;
        let mut done = run.len();
        for (member, schema) in members.iter().zip(&found) {
            let there = taken(&run, &own, schema).map_err(|(at, why)| {
                Error::failed(format!(
                    "an earlier run was sending this statement; at {} is what it does not make: {why}",
                    member.address
                ))
                .at(part.place(intent.from + at))
                .now("nothing more was run")
                .next("look who made it; once it is gone, or as the statement says, the same command")
            })?;
            done = done.min(there);
        }
        // What is not there is sent again, and the first of the two may come after the second.
        self.late = done < run.len() && self.quiet_from.is_some();
        Ok(done)
    }

    /// Refuses a repeat so late that what was deleted meanwhile would come back: its tombstones may be gone (traps C9).
    async fn too_late(
        &self,
        unit: &Unit<'_>,
        statement: &Statement,
        intent: &Intent,
    ) -> Result<()> {
        let Some(written) = intent.write_time else {
            return Ok(());
        };
        let now = super::clocks::clock(&self.sender).await?;
        let age = (now - written) / 1_000_000;
        for write in statement.act.writes() {
            let keyspace = write.table.keyspace.as_deref();
            let keyspace = keyspace.unwrap_or(&self.recorder.names.keyspace);
            let query = format!(
                "SELECT gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = {} AND table_name = {}",
                super::names::literal(keyspace),
                super::names::literal(&write.table.name)
            );
            let at = self.sender.coordinator;
            let rows = self
                .sender
                .ask_member(at, &query, self.sender.timeout)
                .await;
            let rows = rows.map_err(super::fault::Fault::error)?;
            let grace = rows.first().and_then(|row| row.number("gc_grace_seconds"));
            if grace.is_some_and(|grace| grace > 0 && age >= grace) {
                return Err(Error::new(
                    Exit::Failed,
                    format!(
                        "a write of {} was in doubt when its run ended {age} s ago, longer than gc_grace_seconds of {}: \
                         to repeat it could bring back what was deleted since",
                        unit.migration.label(),
                        write.table.name
                    ),
                )
                .now("nothing more was run")
                .next("read whether the rows are there; then put `-- kmig:done-when SELECT …` above the statement, and the same command"));
            }
        }
        Ok(())
    }

    /// Waits until a statement that a fenced-out executor has sent can no longer arrive: it may make again what this
    /// run drops (traps C4).
    pub(super) async fn before_destruction(
        &mut self,
        act: &Act,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        if !destroys(act) {
            return Ok(());
        }
        if !self.options.without.is_empty() {
            return Err(Failure {
                error: Error::new(
                    Exit::Refused,
                    "nothing is dropped while a member is left out: it would bring back what it still has",
                )
                .now("this statement was not sent")
                .next("bring the node back or remove it from the ring, then the same command without --without-node"),
                certain: true,
                at: None,
            });
        }
        Ok(self.until_quiet(tell).await?)
    }

    /// Waits until nothing of a run that was not ended cleanly can still arrive.
    pub(super) async fn until_quiet(&mut self, tell: &mut dyn FnMut(Event)) -> Result<()> {
        let until = self.quiet_from.take().unwrap_or_default();
        let left = until.saturating_sub(machine::since_boot());
        if left.is_zero() {
            self.late = false;
            return Ok(());
        }
        tell(Event::Notice {
            severity: "WAITING".to_string(),
            message: format!(
                "for {:.1} s: a statement was sent that nobody has an answer to, and it may still arrive",
                left.as_secs_f64()
            ),
        });
        if let Err(error) = self.options.stop.pause(left).await {
            self.quiet_from = Some(until);
            return Err(error);
        }
        self.late = false;
        Ok(())
    }
}

/// Whether a statement takes something away.
fn destroys(act: &Act) -> bool {
    matches!(
        act,
        Act::Drop { .. }
            | Act::Truncate { .. }
            | Act::Alter {
                change: Change::Drop { .. } | Change::Rename { .. },
                ..
            }
    )
}

fn edited(part: &Part, at: usize) -> Error {
    Error::new(
        Exit::Disagree,
        "an earlier run was sending this statement and may have ended in the middle; the file says something else now",
    )
    .at(part.place(at))
    .now("nothing more was run; what was sent stands in schema_meta_journal")
    .next("put the text back that was sent, and the same command; what is to be different belongs in a new migration")
}
