//! The SQL of kmig's own bookkeeping: batches, records, the journal. Pure.

use super::names::{Names, literal, literal_or_null};
use crate::backend::{Entry, Holder};
use crate::plan::Batch;
use crate::plan::history::Progress;
use crate::plan::schedule::Unit;
use crate::source::{Migration, MigrationId, MigrationSet, PartKind};
use serde_json::json;
use std::collections::BTreeMap;

/// Who writes: the same in every row of a run.
#[derive(Debug, Clone)]
pub struct Author {
    /// One run of kmig, told apart from all others.
    pub run: String,
    /// `user@host`.
    pub by: String,
}

const KMIG: &str = env!("CARGO_PKG_VERSION");

/// Writes kmig's own rows.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// The tables.
    pub names: Names,
    /// The author.
    pub author: Author,
}

/// A line of the journal before it is SQL.
#[derive(Debug, Default)]
struct Line<'a> {
    kind: &'a str,
    batch: Option<i64>,
    migration: Option<&'a Migration>,
    part: Option<PartKind>,
    first_statement: Option<usize>,
    app_version: Option<&'a str>,
    detail: Option<String>,
}

impl Recorder {
    /// Records a batch: its new members, those to be taken back, its version, and who left it. Several statements, for one transaction.
    pub fn batch(&self, batch: &Batch, set: &MigrationSet) -> Vec<String> {
        let Names { meta, .. } = &self.names;
        let version = literal_or_null(batch.app_version.as_deref());
        let mut sql = Vec::new();
        for id in &batch.leave {
            sql.push(format!(
                "DELETE FROM {meta} WHERE subsystem = {} AND number = {} AND checksums = '{{}}'",
                literal(&id.subsystem),
                id.number
            ));
        }
        for id in batch.undo.iter().flatten() {
            let (state, _, done) = Progress::Undoing(0).columns();
            sql.push(format!(
                "UPDATE {meta} SET state = '{state}', part = 'undo', statements_done = {done}, finished_at = NULL, executed_by = {} \
                 WHERE subsystem = {} AND number = {} AND state <> 'contracting'",
                literal(&self.author.by),
                literal(&id.subsystem),
                id.number
            ));
        }
        let (state, part, done) = Progress::BEGIN.columns();
        let part = literal_or_null(part.map(PartKind::name));
        let files: BTreeMap<&MigrationId, &Migration> =
            set.migrations.iter().map(|file| (&file.id, file)).collect();
        let members: Vec<String> = batch
            .take
            .iter()
            .filter_map(|id| files.get(id))
            .map(|migration| {
                format!(
                    "({}, {}, {}, '{state}', {part}, {done}, {}, '{}', {version}, {}, '{KMIG}')",
                    literal(&migration.id.subsystem),
                    migration.id.number,
                    literal(&migration.name),
                    batch.number,
                    batch.origin.word(),
                    literal(&self.author.by),
                )
            })
            .collect();
        if !members.is_empty() {
            sql.push(format!(
                "INSERT INTO {meta} (subsystem, number, name, state, part, statements_done, batch, origin, app_version, executed_by, kmig_version) VALUES {}",
                members.join(",\n")
            ));
        }
        sql.push(format!(
            "UPDATE {meta} SET app_version = {version} WHERE batch = {} AND app_version IS DISTINCT FROM {version}",
            batch.number
        ));
        sql.push(self.journal(&Line {
            kind: if batch.undo.is_none() { "batch" } else { "undo" },
            batch: Some(batch.number),
            app_version: batch.app_version.as_deref(),
            detail: Some(json!({"origin": batch.origin.word(), "took": batch.take.len(), "left": batch.leave.len(), "taken_back": batch.undo.as_ref().map(Vec::len)}).to_string()),
            ..Line::default()
        }));
        sql
    }

    /// Records a batch whose members are there already: each as executed, sealed by all its files that would have run.
    pub fn adopted(&self, batch: &Batch, set: &MigrationSet) -> Vec<String> {
        let mut sql = self.batch(batch, set);
        let (state, part, done) = Progress::Executed.columns();
        let part = literal_or_null(part.map(PartKind::name));
        let members = batch.take.iter().filter_map(|id| set.get(id));
        sql.extend(members.map(|migration| {
            let seals = PartKind::SEALED
                .into_iter()
                .filter(|kind| *kind != PartKind::Undo)
                .filter_map(|kind| {
                    let part = migration.part(kind)?;
                    Some((kind.name().to_string(), json!(part.checksum)))
                });
            let seals = serde_json::Value::Object(seals.collect());
            format!(
                "UPDATE {} SET state = '{state}', part = {part}, statements_done = {done}, checksums = {}::jsonb, \
                 started_at = now(), finished_at = clock_timestamp() WHERE subsystem = {} AND number = {} AND batch = {}",
                self.names.meta,
                literal(&seals.to_string()),
                literal(&migration.id.subsystem),
                migration.id.number,
                batch.number
            )
        }));
        sql
    }

    /// Records a unit in the transaction of its statements. Fails with a division by zero unless the migration stands
    /// where the plan saw it, so that nothing runs twice and nothing is passed over.
    pub fn unit(&self, unit: &Unit<'_>, batch: i64) -> String {
        match unit.then {
            Some(then) => self.step(&values(unit, then, batch)),
            None => self.forget(unit, batch),
        }
    }

    /// Prepares what [`Recorder::unit_prepared`] executes: in a string of many units the server plans it once.
    pub fn prepare(&self) -> String {
        let parameters = std::array::from_fn(|at| format!("${}", at + 1));
        format!(
            "PREPARE kmig_step (text, bigint, text, text, text, bigint, text, jsonb, text[], bigint, bigint) AS {}",
            self.step(&parameters)
        )
    }

    /// The same as [`Recorder::unit`], through the prepared statement.
    pub fn unit_prepared(&self, unit: &Unit<'_>, batch: i64) -> String {
        match unit.then {
            Some(then) => {
                let values = values(unit, then, batch);
                format!("EXECUTE kmig_step ({})", values.join(", "))
            }
            None => self.forget(unit, batch),
        }
    }

    /// The record of a step, of literals or of parameters.
    fn step(&self, values: &[String; 11]) -> String {
        let [
            subsystem,
            number,
            name,
            state,
            part,
            done,
            kind,
            seal,
            before,
            from,
            batch,
        ] = values;
        let Names { meta, journal, .. } = &self.names;
        let (run, by) = (literal(&self.author.run), literal(&self.author.by));
        // How many statements were run: to the end of the part where it is complete.
        format!(
            "WITH changed AS (UPDATE {meta} SET state = {state}, part = {part}, statements_done = {done}, \
             checksums = checksums || {seal}, name = {name}, started_at = COALESCE(started_at, now()), \
             finished_at = CASE WHEN {state} = 'executed' THEN clock_timestamp() END, executed_by = {by}, kmig_version = '{KMIG}' \
             WHERE subsystem = {subsystem} AND number = {number} AND state = ANY ({before}) \
             AND (part IS NULL OR part = {kind}) AND statements_done = {from} RETURNING 1), \
             noted AS (INSERT INTO {journal} (run, kind, batch, subsystem, number, name, part, first_statement, state, executed_by, kmig_version) \
             VALUES ({run}, 'step', {batch}, {subsystem}, {number}, {name}, {kind}, {from}, {state}, {by}, '{KMIG}')) \
             SELECT 1 / count(*) FROM changed"
        )
    }

    /// Removes the record of a migration whose undo is complete.
    fn forget(&self, unit: &Unit<'_>, batch: i64) -> String {
        let Names { meta, journal, .. } = &self.names;
        let id = &unit.migration.id;
        let (columns, values) = self.line(&Line {
            kind: "step",
            batch: Some(batch),
            migration: Some(unit.migration),
            part: Some(unit.kind),
            first_statement: Some(unit.range.start),
            ..Line::default()
        });
        format!(
            "WITH changed AS (DELETE FROM {meta} WHERE subsystem = {} AND number = {} AND state = 'undoing' \
             AND statements_done = {} RETURNING 1), noted AS (INSERT INTO {journal} ({columns}) VALUES ({values})) \
             SELECT 1 / count(*) FROM changed",
            literal(&id.subsystem),
            id.number,
            unit.range.start
        )
    }

    /// Journals that a bare statement is about to run, with what the catalogue said before; seals its part.
    pub fn intent(&self, unit: &Unit<'_>, batch: i64, picture: serde_json::Value) -> Vec<String> {
        let Names { meta, .. } = &self.names;
        let id = &unit.migration.id;
        let state = match unit.kind {
            PartKind::Finish => "state = 'contracting', part = 'finish', ",
            _ => "",
        };
        vec![
            format!(
                "WITH changed AS (UPDATE {meta} SET {state}checksums = checksums || {}, started_at = COALESCE(started_at, now()), executed_by = {} \
                 WHERE subsystem = {} AND number = {} AND state = ANY ({}) AND (part IS NULL OR part = '{}') AND statements_done = {} RETURNING 1) \
                 SELECT 1 / count(*) FROM changed",
                seal(unit, unit.range.start),
                literal(&self.author.by),
                literal(&id.subsystem),
                id.number,
                before(unit.kind),
                unit.kind,
                unit.range.start
            ),
            self.journal(&Line {
                kind: "intent",
                batch: Some(batch),
                migration: Some(unit.migration),
                part: Some(unit.kind),
                first_statement: Some(unit.range.start),
                detail: Some(picture.to_string()),
                ..Line::default()
            }),
        ]
    }

    /// Journals that a bare statement was refused by the server, so that the next run is not in doubt about it.
    pub fn failed(&self, unit: &Unit<'_>, batch: i64, message: &str) -> String {
        self.journal(&Line {
            kind: "failed",
            batch: Some(batch),
            migration: Some(unit.migration),
            part: Some(unit.kind),
            first_statement: Some(unit.range.start),
            detail: Some(json!({ "message": message }).to_string()),
            ..Line::default()
        })
    }

    /// The query for an intent of this bare statement whose outcome is not recorded: its picture of before.
    pub fn open_intent(&self, unit: &Unit<'_>, batch: i64) -> String {
        let id = &unit.migration.id;
        format!(
            "SELECT kind, detail FROM {} WHERE batch = {batch} AND subsystem = {} AND number = {} AND part = '{}' \
             AND first_statement = {} AND kind IN ('intent', 'step', 'failed') ORDER BY seq DESC LIMIT 1",
            self.names.journal,
            literal(&id.subsystem),
            id.number,
            unit.kind,
            unit.range.start
        )
    }

    /// A line of the journal that is no step.
    pub fn entry(&self, entry: &Entry<'_>) -> String {
        self.journal(&Line {
            kind: entry.kind,
            migration: entry.migration,
            app_version: entry.app_version,
            detail: entry
                .reason
                .map(|reason| json!({ "reason": reason }).to_string()),
            ..Line::default()
        })
    }

    /// A line on who was seen.
    pub fn sighted(&self, batch: i64, kind: &str, detail: &str) -> String {
        self.journal(&Line {
            kind,
            batch: Some(batch),
            detail: Some(detail.to_string()),
            ..Line::default()
        })
    }

    /// The query for who was seen since a batch was taken on.
    pub fn sightings(&self, batch: i64) -> String {
        format!(
            "SELECT kind, (extract(epoch FROM at) * 1000000)::bigint AS at, detail FROM {} WHERE batch = {batch} AND kind IN ('seen', 'gate') ORDER BY seq",
            self.names.journal
        )
    }

    /// A line that says whose lock was broken, and why.
    pub fn broken(&self, holder: &Holder, reason: Option<&str>) -> String {
        let detail = json!({
            "reason": reason,
            "pid": holder.pid,
            "application": holder.application,
            "run": holder.run,
            "address": holder.address,
        });
        self.journal(&Line {
            kind: "lock-break",
            detail: Some(detail.to_string()),
            ..Line::default()
        })
    }

    /// Replaces recorded checksums; those of parts that are gone are removed.
    pub fn accept(&self, migration: &Migration, seals: &[(PartKind, Option<String>)]) -> String {
        let checksums: serde_json::Map<String, serde_json::Value> = seals
            .iter()
            .filter_map(|(kind, seal)| Some((kind.name().to_string(), json!(seal.as_ref()?))))
            .collect();
        let gone: Vec<String> = seals
            .iter()
            .filter(|(_, seal)| seal.is_none())
            .map(|(kind, _)| literal(kind.name()))
            .collect();
        format!(
            "UPDATE {} SET checksums = (checksums - ARRAY[{}]::text[]) || {}::jsonb, name = {} WHERE subsystem = {} AND number = {}",
            self.names.meta,
            gone.join(", "),
            literal(&serde_json::Value::Object(checksums).to_string()),
            literal(&migration.name),
            literal(&migration.id.subsystem),
            migration.id.number
        )
    }

    fn journal(&self, line: &Line<'_>) -> String {
        let (columns, values) = self.line(line);
        format!(
            "INSERT INTO {} ({columns}) VALUES ({values})",
            self.names.journal
        )
    }

    fn line(&self, line: &Line<'_>) -> (&'static str, String) {
        let number = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_string());
        let id = line.migration.map(|migration| &migration.id);
        let values = [
            literal(&self.author.run),
            literal(line.kind),
            number(line.batch.map(|batch| batch.to_string())),
            literal_or_null(id.map(|id| id.subsystem.as_str())),
            number(id.map(|id| id.number.to_string())),
            literal_or_null(line.migration.map(|migration| migration.name.as_str())),
            literal_or_null(line.part.map(PartKind::name)),
            number(line.first_statement.map(|first| first.to_string())),
            literal_or_null(line.app_version),
            literal(&self.author.by),
            literal(KMIG),
            literal_or_null(line.detail.as_deref()),
        ];
        (
            "run, kind, batch, subsystem, number, name, part, first_statement, app_version, executed_by, kmig_version, detail",
            values.join(", "),
        )
    }
}

/// What a step changes, as literals, in the order of the prepared statement's parameters.
fn values(unit: &Unit<'_>, then: Progress, batch: i64) -> [String; 11] {
    let (state, part, done) = then.columns();
    [
        literal(&unit.migration.id.subsystem),
        unit.migration.id.number.to_string(),
        literal(&unit.migration.name),
        literal(state),
        literal_or_null(part.map(PartKind::name)),
        done.to_string(),
        literal(unit.kind.name()),
        seal(unit, unit.range.end),
        before(unit.kind).to_string(),
        unit.range.start.to_string(),
        batch.to_string(),
    ]
}

/// The checksum that seals the unit's part once so many of its statements are done, to be added to the migration's.
fn seal(unit: &Unit<'_>, done: usize) -> String {
    let sealed = PartKind::SEALED.contains(&unit.kind);
    match unit.part.filter(|_| sealed) {
        Some(part) => format!("'{{\"{}\": \"{}\"}}'::jsonb", unit.kind, part.seal(done)),
        None => "'{}'::jsonb".to_string(),
    }
}

/// The states that a migration may be in when a unit of this part is recorded. A finish is owed, or has its first
/// intent journaled.
fn before(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Up | PartKind::Backfill => "'{expanding}'::text[]",
        PartKind::Finish => "'{pending,contracting}'::text[]",
        PartKind::Undo => "'{undoing}'::text[]",
        PartKind::Check | PartKind::Ready => "'{}'::text[]",
    }
}
