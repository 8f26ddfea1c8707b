//! What is done and not recorded yet: it is recorded together with the next intent, in one conditional batch.

use super::Cassandra;
use super::journal::{self, Line};
use super::record::Change;
use super::state;
use crate::backend::Event;
use crate::error::{Error, Result};
use crate::plan::history::Applied;
use crate::plan::schedule::Unit;
use crate::source::MigrationId;

/// Outcomes that wait for their record, and what is recorded with them.
#[derive(Default)]
pub struct Pending<'a> {
    /// One change per migration; nothing where its row goes.
    changes: Vec<(MigrationId, Option<Change>)>,
    lines: Vec<Line<'a>>,
    /// Units that are done once this is recorded.
    units: Vec<(Unit<'a>, usize)>,
}

impl<'a> Pending<'a> {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.lines.is_empty() && self.units.is_empty()
    }

    /// Whether a migration's row is going to be changed.
    pub fn has(&self, id: &MigrationId) -> bool {
        self.changes.iter().any(|(known, _)| known == id)
    }

    /// The change of a migration's row, a new one where there is none.
    pub fn change(&mut self, id: &MigrationId) -> &mut Change {
        let at = self
            .changes
            .iter()
            .position(|(known, change)| known == id && change.is_some());
        let at = at.unwrap_or_else(|| {
            self.changes.push((id.clone(), Some(Change::default())));
            self.changes.len() - 1
        });
        // The one at this place is a change: it was looked for, or just put there.
        self.changes[at].1.get_or_insert_default()
    }

    /// A line of the journal that goes along.
    pub fn line(&mut self, line: Line<'a>) {
        self.lines.push(line);
    }
}

impl Cassandra {
    /// A unit is done: `to` is behind its last statement that is. Recorded with the next intent, or by [`Self::flush`].
    pub(super) fn did<'a>(
        &mut self,
        pending: &mut Pending<'a>,
        unit: &Unit<'a>,
        units: usize,
        batch: i64,
    ) -> Result<()> {
        let id = &unit.migration.id;
        let mut line = Line::of("step", unit, batch);
        match unit.then {
            Some(then) => {
                let applied = self.row(id)?;
                let change = self.recorder.step(unit, then, &applied);
                *pending.change(id) = change;
                line.state = Some(then.columns().0);
                let sealed = super::record::sealed(unit, unit.range.end, &applied);
                if let Some(row) = self.rows.get_mut(id) {
                    row.progress = then;
                    row.checksums = sealed;
                    row.started.get_or_insert(time::OffsetDateTime::UNIX_EPOCH);
                }
                self.open.remove(id);
            }
            None => {
                pending.changes.push((id.clone(), None));
                self.rows.remove(id);
                self.open.remove(id);
            }
        }
        pending.lines.push(line);
        pending.units.push((unit.clone(), units));
        Ok(())
    }

    /// What is recorded of a migration that this run works on.
    pub(super) fn row(&self, id: &MigrationId) -> Result<Applied> {
        let known = self.rows.get(id).cloned();
        known.ok_or_else(|| state::Denied::Elsewhere.into())
    }

    /// Records what waits, and tells of it. How many units that were is returned.
    ///
    /// # Errors
    /// It could not be recorded; nothing of it counts as done.
    pub(super) async fn flush(
        &mut self,
        pending: &mut Pending<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<usize> {
        let (done, lines) = self.record(pending, tell).await?;
        self.journal(&lines).await?;
        Ok(done)
    }

    /// As [`Self::flush`], but the lines of the journal are left to the caller, who may write them beside what comes next.
    ///
    /// # Errors
    /// It could not be recorded; nothing of it counts as done.
    pub(super) async fn record<'a>(
        &mut self,
        pending: &mut Pending<'a>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(usize, Vec<Line<'a>>)> {
        if pending.is_empty() {
            return Ok((0, Vec::new()));
        }
        let Pending {
            changes,
            lines,
            units,
        } = std::mem::take(pending);
        let texts: Vec<String> = changes
            .iter()
            .map(|(id, change)| match change {
                Some(change) => self.recorder.row(id, change),
                None => self.recorder.forget(id),
            })
            .collect();
        self.write_state(&texts).await?;
        for (unit, _) in &units {
            let length = unit.part.map_or(0, crate::source::Part::len);
            tell(Event::Unit {
                statements: unit.range.len(),
                migration: unit.migration.label(),
                part: unit.kind,
                complete: unit.part.is_some() && unit.range.end >= length,
            });
        }
        Ok((units.iter().map(|(_, count)| count).sum(), lines))
    }

    /// Writes state under the lease, and then lines of the journal: what an executor that was fenced out wanted to do is
    /// no line of it.
    ///
    /// # Errors
    /// The lease is lost, or the cluster does not answer.
    pub(super) async fn write_with(&self, texts: &[String], lines: &[Line<'_>]) -> Result<()> {
        self.write_state(texts).await?;
        self.journal(lines).await
    }

    async fn write_state(&self, texts: &[String]) -> Result<()> {
        let lease = self.lease.as_ref().ok_or_else(state::fenced)?;
        lease.check(self.sender.timeout).await?;
        let written = state::write(
            &self.sender,
            &self.recorder,
            &lease.owner,
            texts,
            &self.options.stop,
        )
        .await;
        written.map_err(Error::from)
    }

    /// Writes lines of the journal, where the state that they tell of is written.
    pub(super) async fn journal(&self, lines: &[Line<'_>]) -> Result<()> {
        let run = self.options.run.to_string();
        journal::write(&self.sender, &self.recorder, &run, lines).await
    }
}
