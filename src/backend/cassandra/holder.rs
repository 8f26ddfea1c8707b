//! Who holds the lease, and how a person takes it away.

use super::Cassandra;
use super::fault::{Fault, INVALID};
use super::intent::Intent;
use super::journal::{self, Line};
use super::names::literal;
use super::seen;
use super::tables::Own;
use crate::backend::{Ending, Holder, LastLine, QUERY_MAX, Scene};
use crate::error::Result;
use serde_json::json;

/// What a line of the journal is called that says of a run that its lease was taken away.
const BROKEN: &str = "lock-break";

impl Cassandra {
    /// Who holds the lease, by its row.
    pub(super) async fn lease_holder(&self) -> Result<Option<Holder>> {
        if !matches!(self.own, Own::There(_)) {
            return Ok(None);
        }
        let query = format!(
            "SELECT * FROM {} WHERE incarnation = {}",
            self.recorder.names.lease, self.recorder.incarnation
        );
        match self.sender.read_serial(&query).await {
            Ok(rows) => Ok(seen::holder(&rows, &self.options.run)),
            // The tables are being made: the schema tells of one before the server reads it.
            Err(fault) if fault.is(INVALID) => Ok(None),
            Err(fault) => Err(fault.error()),
        }
    }

    /// Who holds the lease, and what its run wrote last.
    pub(super) async fn lease_scene(&self) -> Result<Option<Scene>> {
        let Some(holder) = self.lease_holder().await? else {
            return Ok(None);
        };
        let last = match &holder.run {
            Some(run) => self.last_line(run).await?,
            None => None,
        };
        let query = holder.run.as_deref().and_then(|run| self.sending(run));
        let unfinished = self.rows.iter().filter_map(|(id, row)| {
            let (_, part, done) = row.progress.columns();
            let (subsystem, name) = (&id.subsystem, &row.name);
            Some(format!(
                "{subsystem}/{name} {}, {done} statements done",
                part?
            ))
        });
        Ok(Some(Scene {
            unfinished: unfinished.collect(),
            holder,
            user: None,
            state: None,
            state_seconds: None,
            waits_for: None,
            query,
            last,
            waiting: Vec::new(),
        }))
    }

    /// The head of what a run is sending, by its open intent.
    fn sending(&self, run: &str) -> Option<String> {
        let mut intents = self.open.values().filter_map(|text| Intent::read(text));
        let texts = intents.find(|intent| intent.run == run)?.texts.join("; ");
        let words: Vec<&str> = texts.split_whitespace().collect();
        Some(words.join(" ").chars().take(QUERY_MAX).collect())
    }

    async fn last_line(&self, run: &str) -> Result<Option<LastLine>> {
        let query = format!(
            "SELECT kind, subsystem, name, part, first_statement, run, toUnixTimestamp(at) AS at, toUnixTimestamp(now()) AS now \
             FROM {} WHERE incarnation = {} ORDER BY at DESC LIMIT 100",
            self.recorder.names.journal, self.recorder.incarnation
        );
        let rows = self.sender.read(&query).await.map_err(Fault::error)?;
        let row = rows.iter().find(|row| row.text("run") == Some(run));
        Ok(row.map(|row| {
            let text = |name: &str| row.text(name).map(str::to_string);
            let migration = text("subsystem").zip(text("name"));
            let seconds = row.number("now").zip(row.number("at"));
            LastLine {
                kind: text("kind").unwrap_or_default(),
                migration: migration.map(|(subsystem, name)| format!("{subsystem}/{name}")),
                part: text("part"),
                statement: row.number("first_statement"),
                seconds: seconds.map_or(0, |(now, at)| (now - at) / 1000),
            }
        }))
    }

    /// Takes the lease away from the one that was seen. It can write no state from then on; what it has sent may still
    /// arrive, so the owner stays in the fence, and the next executor waits for as long as a lease lasts.
    pub(super) async fn break_lease(&self, holder: &Holder) -> Result<Ending> {
        let names = &self.recorder.names;
        let incarnation = self.recorder.incarnation;
        let owner = literal(holder.run.as_deref().unwrap_or_default());
        let since = holder
            .began
            .map_or_else(|| "null".to_string(), |since| since.to_string());
        let fence = format!(
            "SELECT owner, epoch FROM {} WHERE incarnation = {incarnation} LIMIT 1",
            names.meta
        );
        let rows = self
            .sender
            .read_serial(&fence)
            .await
            .map_err(Fault::error)?;
        let fence = rows
            .first()
            .and_then(|row| Some((row.text("owner")?.to_string(), row.number("epoch")?)));
        let delete = format!(
            "DELETE FROM {} WHERE incarnation = {incarnation} IF owner = {owner} AND since = {since}",
            names.lease
        );
        let rows = self.sender.read(&delete).await.map_err(Fault::error)?;
        if !rows.applied() {
            return Ok(Ending::Changed);
        }
        if let Some((fenced, epoch)) = fence
            && Some(fenced.as_str()) == holder.run.as_deref()
        {
            let raise = format!(
                "UPDATE {} SET epoch = {} WHERE incarnation = {incarnation} IF epoch = {epoch} AND owner = {owner}",
                names.meta,
                epoch + 1
            );
            self.sender.read(&raise).await.map_err(Fault::error)?;
        }
        Ok(Ending::Told)
    }

    /// Whether a person has taken the lease of this run away.
    pub(super) async fn is_broken(&self) -> Result<bool> {
        let query = format!(
            "SELECT kind, detail FROM {} WHERE incarnation = {} ORDER BY at DESC LIMIT 100",
            self.recorder.names.journal, self.recorder.incarnation
        );
        let rows = self.sender.read(&query).await.map_err(Fault::error)?;
        let run = self.options.run.to_string();
        let mut lines = rows.iter().filter(|row| row.text("kind") == Some(BROKEN));
        Ok(lines.any(|row| {
            let detail = row.text("detail").unwrap_or_default();
            let detail: serde_json::Value = serde_json::from_str(detail).unwrap_or_default();
            detail["run"] == run
        }))
    }

    /// Journals that the lease was taken away, without it.
    pub(super) async fn journal_broken(&self, holder: &Holder, reason: Option<&str>) -> Result<()> {
        let detail = json!({
            "reason": reason,
            "pid": holder.pid,
            "application": holder.application,
            "run": holder.run,
        });
        let line = Line {
            kind: BROKEN,
            detail: Some(detail.to_string()),
            ..Line::default()
        };
        let run = self.options.run.to_string();
        journal::write(&self.sender, &self.recorder, &run, &[line]).await
    }
}
