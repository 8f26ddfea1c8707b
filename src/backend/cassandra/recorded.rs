//! What a session knows of the record: what it has read, and what it has written since.

use super::tables::Own;
use super::{Cassandra, read, tables};
use crate::error::{Error, Result};
use crate::plan::Batch;
use crate::plan::history::{Applied, History, Progress};
use crate::source::{MigrationId, MigrationSet};
use std::collections::BTreeMap;

impl Cassandra {
    /// Reads what is recorded; nothing where kmig's tables are not there, or not all of them.
    pub(super) async fn read(&mut self) -> Result<Option<History>> {
        let at = self.sender.coordinator;
        self.own = tables::look(&self.sender, &self.recorder.names, at).await?;
        let Own::There(incarnation) = self.own else {
            self.rows.clear();
            self.open.clear();
            self.last = None;
            return Ok(None);
        };
        self.recorder.incarnation = incarnation;
        let serial = self.lease.is_some();
        let reading = read::read(&self.sender, &self.recorder.names, incarnation, serial).await?;
        if let Some(run) = reading.resetting.filter(|_| !self.resets) {
            return Err(Error::failed(format!(
                "a reset of this keyspace was begun by run {run} and is not complete: some of what is recorded is gone"
            ))
            .now("nothing was run")
            .next("kmig reset, which drops the rest"));
        }
        self.open = reading.open;
        self.last_write = self.last_write.max(reading.last_write);
        self.rows = reading
            .history
            .as_ref()
            .map(|history| history.applied.clone())
            .unwrap_or_default();
        self.floor = reading
            .history
            .as_ref()
            .and_then(|history| history.floor.clone());
        self.last = reading
            .history
            .as_ref()
            .map(|history| (history.batch, history.app_version.clone()));
        Ok(reading.history)
    }

    /// The members of a batch that are recorded.
    pub(super) fn members_of(&self, batch: i64) -> Vec<MigrationId> {
        let rows = self.rows.iter().filter(|(_, row)| row.batch == batch);
        rows.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn last(&self) -> Option<(i64, Option<&str>)> {
        let last = self.last.as_ref();
        last.map(|(number, version)| (*number, version.as_deref()))
    }

    /// Remembers what was written of a batch.
    pub(super) fn took(&mut self, batch: &Batch, set: &MigrationSet, progress: Progress) {
        for id in &batch.leave {
            self.rows.remove(id);
        }
        for id in batch.undo.iter().flatten() {
            if let Some(row) = self.rows.get_mut(id) {
                row.progress = Progress::Undoing(0);
            }
            self.open.remove(id);
        }
        for migration in batch.take.iter().filter_map(|id| set.get(id)) {
            let row = Applied {
                name: migration.name.clone(),
                batch: batch.number,
                origin: batch.origin,
                progress,
                checksums: BTreeMap::new(),
                app_version: batch.app_version.clone(),
                started: None,
                finished: None,
                by: self.options.by.clone(),
            };
            self.rows.insert(migration.id.clone(), row);
        }
        self.last = Some((batch.number, batch.app_version.clone()));
    }
}
