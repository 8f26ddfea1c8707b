//! The bookkeeping as CQL: what a batch, a step, an intent change in schema_meta. Pure.
//!
//! Every change of state is part of a conditional batch on the partition of an incarnation; the fence that makes it so is
//! [`super::state`]'s.

use super::names::{Names, identifier, literal, literal_or_null};
use crate::plan::Batch;
use crate::plan::history::{Applied, Progress};
use crate::plan::schedule::Unit;
use crate::source::{Migration, MigrationId, MigrationSet, PartKind};
use std::collections::BTreeMap;
use std::fmt::Write;
use uuid::Uuid;

const KMIG: &str = env!("CARGO_PKG_VERSION");

/// Writes CQL for one incarnation of the tables.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// The tables.
    pub names: Names,
    /// The incarnation whose rows are written.
    pub incarnation: Uuid,
    /// `user@host`.
    pub by: String,
}

/// A change of one row: columns with their new values, and what they must be before.
#[derive(Debug, Clone, Default)]
pub struct Change {
    set: Vec<(&'static str, String)>,
    before: Vec<(&'static str, String)>,
}

impl Change {
    /// Sets a column to a CQL value.
    pub fn set(&mut self, column: &'static str, value: String) {
        self.set.retain(|(known, _)| *known != column);
        self.set.push((column, value));
    }

    /// The migration must stand so.
    fn stands(&mut self, progress: Progress) {
        let (state, _, done) = progress.columns();
        self.before = vec![
            ("state", literal(state)),
            ("statements_done", done.to_string()),
        ];
    }
}

impl Recorder {
    /// A change of a migration's row as CQL.
    pub fn row(&self, id: &MigrationId, change: &Change) -> String {
        let pairs = |pairs: &[(&'static str, String)], between: &str| {
            let texts: Vec<String> = pairs
                .iter()
                .map(|(column, value)| format!("{} = {value}", identifier(column)))
                .collect();
            texts.join(between)
        };
        let mut text = format!(
            "UPDATE {} SET {} WHERE {}",
            self.names.meta,
            pairs(&change.set, ", "),
            self.key(id)
        );
        if !change.before.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, " IF {}", pairs(&change.before, " AND "));
        }
        text
    }

    fn key(&self, id: &MigrationId) -> String {
        format!(
            "incarnation = {} AND subsystem = {} AND number = {}",
            self.incarnation,
            literal(&id.subsystem),
            id.number
        )
    }

    /// Removes a migration's row.
    pub fn forget(&self, id: &MigrationId) -> String {
        format!("DELETE FROM {} WHERE {}", self.names.meta, self.key(id))
    }

    /// Sets static columns.
    fn statics(&self, columns: &[(&str, String)]) -> String {
        let texts: Vec<String> = columns
            .iter()
            .map(|(column, value)| format!("{} = {value}", identifier(column)))
            .collect();
        format!(
            "UPDATE {} SET {} WHERE incarnation = {}",
            self.names.meta,
            texts.join(", "),
            self.incarnation
        )
    }

    /// Takes a batch on; see the twin in Postgres' `record.rs`. `last` is the number and the version recorded last.
    pub fn batch(
        &self,
        batch: &Batch,
        set: &MigrationSet,
        members: &[MigrationId],
        last: Option<(i64, Option<&str>)>,
        floor: Option<&str>,
    ) -> Vec<String> {
        let mut cql = self.around(batch, members, last, floor);
        for migration in batch.take.iter().filter_map(|id| set.get(id)) {
            cql.push(self.row(&migration.id, &self.taken(batch, migration)));
        }
        cql
    }

    /// What a batch changes beside the rows that it takes on.
    fn around(
        &self,
        batch: &Batch,
        members: &[MigrationId],
        last: Option<(i64, Option<&str>)>,
        floor: Option<&str>,
    ) -> Vec<String> {
        let version = literal_or_null(batch.app_version.as_deref());
        let mut cql: Vec<String> = batch.leave.iter().map(|id| self.forget(id)).collect();
        for id in batch.undo.iter().flatten() {
            let mut change = Change::default();
            self.progress(&mut change, Progress::Undoing(0));
            change.set("finished_at", "null".to_string());
            // What the up was sending is taken back, too.
            change.set("intent", "null".to_string());
            change.set("executed_by", literal(&self.by));
            cql.push(self.row(id, &change));
        }
        // Members that stay in the batch, and get its version.
        for id in members {
            let gone = batch.leave.contains(id) || batch.take.contains(id);
            if !gone {
                let mut change = Change::default();
                change.set("app_version", version.clone());
                cql.push(self.row(id, &change));
            }
        }
        let mut statics = vec![("last_version", version)];
        if last.is_none_or(|(number, _)| number < batch.number) {
            let before = last.and_then(|(_, version)| version);
            statics.push(("last_batch", batch.number.to_string()));
            statics.push(("version_before", literal_or_null(before)));
            statics.push(("floor_before", literal_or_null(floor)));
        }
        cql.push(self.statics(&statics));
        cql
    }

    /// A migration that is taken on: every column, since a row that was taken back may have left some.
    fn taken(&self, batch: &Batch, migration: &Migration) -> Change {
        let mut change = Change::default();
        self.progress(&mut change, Progress::BEGIN);
        let text = |text: &str| literal(text);
        change.set("name", text(&migration.name));
        change.set("batch", batch.number.to_string());
        change.set("origin", text(batch.origin.word()));
        change.set("app_version", literal_or_null(batch.app_version.as_deref()));
        change.set("executed_by", text(&self.by));
        change.set("kmig_version", text(KMIG));
        for column in [
            "checksums",
            "started_at",
            "finished_at",
            "write_time",
            "intent",
        ] {
            change.set(column, "null".to_string());
        }
        change
    }

    /// Records a batch whose members are there already: each as executed, sealed by all its files that would have run.
    /// Each row is written once: of two writes of a cell in one conditional batch the greater value wins, not the later.
    pub fn adopted(
        &self,
        batch: &Batch,
        set: &MigrationSet,
        members: &[MigrationId],
        last: Option<(i64, Option<&str>)>,
        floor: Option<&str>,
    ) -> Vec<String> {
        let mut cql = self.around(batch, members, last, floor);
        for migration in batch.take.iter().filter_map(|id| set.get(id)) {
            let mut change = self.taken(batch, migration);
            self.progress(&mut change, Progress::Executed);
            let seals = PartKind::SEALED
                .into_iter()
                .filter(|kind| *kind != PartKind::Undo)
                .filter_map(|kind| Some((kind, migration.part(kind)?.checksum.clone())));
            change.set("checksums", map(&seals.collect()));
            change.set("started_at", NOW.to_string());
            change.set("finished_at", NOW.to_string());
            cql.push(self.row(&migration.id, &change));
        }
        cql
    }

    fn progress(&self, change: &mut Change, progress: Progress) {
        let (state, part, done) = progress.columns();
        change.set("state", literal(state));
        change.set("part", literal_or_null(part.map(PartKind::name)));
        change.set("statements_done", done.to_string());
    }

    /// Where a migration stands once a unit is done; nothing is left open. `applied` is what was recorded before.
    pub fn step(&self, unit: &Unit<'_>, then: Progress, applied: &Applied) -> Change {
        let mut change = Change::default();
        change.stands(applied.progress);
        self.progress(&mut change, then);
        change.set("checksums", map(&sealed(unit, unit.range.end, applied)));
        change.set("name", literal(&unit.migration.name));
        change.set("executed_by", literal(&self.by));
        change.set("kmig_version", literal(KMIG));
        change.set("intent", "null".to_string());
        if applied.started.is_none() {
            change.set("started_at", NOW.to_string());
        }
        if then == Progress::Executed {
            change.set("finished_at", NOW.to_string());
        }
        change
    }

    /// A statement is about to be sent. `change` is what is recorded with it, if anything is.
    pub fn intend(
        &self,
        change: &mut Change,
        unit: &Unit<'_>,
        applied: &Applied,
        intent: &str,
        written: Option<i64>,
    ) {
        if change.before.is_empty() {
            change.stands(applied.progress);
        }
        if unit.kind == PartKind::Finish {
            // From here on there is no way back.
            self.progress(change, Progress::Contracting(unit.range.start));
        }
        change.set("checksums", map(&sealed(unit, unit.range.start, applied)));
        change.set("intent", literal(intent));
        if let Some(written) = written {
            change.set("write_time", written.to_string());
        }
        change.set("executed_by", literal(&self.by));
        if applied.started.is_none() {
            change.set("started_at", NOW.to_string());
        }
    }

    /// What is known of an open intent has changed.
    pub fn answered(&self, id: &MigrationId, applied: &Applied, intent: &str) -> String {
        let mut change = Change::default();
        change.stands(applied.progress);
        change.set("intent", literal(intent));
        self.row(id, &change)
    }

    /// A statement had no effect, and nobody is in doubt about it.
    pub fn failed(&self, id: &MigrationId, applied: &Applied) -> String {
        let mut change = Change::default();
        change.stands(applied.progress);
        change.set("intent", "null".to_string());
        self.row(id, &change)
    }

    /// Replaces recorded checksums; those of parts that are gone are removed.
    pub fn accept(
        &self,
        migration: &Migration,
        applied: &Applied,
        seals: &[(PartKind, Option<String>)],
    ) -> String {
        let mut checksums = applied.checksums.clone();
        for (kind, seal) in seals {
            match seal {
                Some(seal) => checksums.insert(*kind, seal.clone()),
                None => checksums.remove(kind),
            };
        }
        let mut change = Change::default();
        change.stands(applied.progress);
        change.set("checksums", map(&checksums));
        change.set("name", literal(&migration.name));
        self.row(&migration.id, &change)
    }

    /// Says that a reset has begun: what is recorded is not there any more for certain.
    pub fn resetting(&self, run: &str) -> String {
        self.statics(&[("resetting", literal(run))])
    }

    /// Forgets what a partition says beside its rows: whoever asks for the floor is not told the one of a record that a
    /// reset has taken away.
    pub fn cleared(&self) -> String {
        let columns = [
            "floor",
            "floor_before",
            "last_batch",
            "last_version",
            "resetting",
            "version_before",
        ];
        self.statics(&columns.map(|column| (column, "null".to_string())))
    }

    /// Records the lowest application version that fits the schema.
    pub fn floor(&self, version: Option<&str>) -> String {
        self.statics(&[("floor", literal_or_null(version))])
    }

    /// Records an application version although nothing is run.
    pub fn version(&self, version: &str) -> String {
        self.statics(&[("last_version", literal(version))])
    }
}

/// The coordinator's clock.
const NOW: &str = "toTimestamp(now())";

/// The checksums of a migration once so many statements of a unit's part are done.
pub fn sealed(unit: &Unit<'_>, done: usize, applied: &Applied) -> BTreeMap<PartKind, String> {
    let mut checksums = applied.checksums.clone();
    if let Some(part) = unit.part.filter(|_| PartKind::SEALED.contains(&unit.kind)) {
        checksums.insert(unit.kind, part.seal(done));
    }
    checksums
}

fn map(checksums: &BTreeMap<PartKind, String>) -> String {
    let pairs: Vec<String> = checksums
        .iter()
        .map(|(kind, seal)| format!("{}: {}", literal(kind.name()), literal(seal)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
