//! Whether a keyspace is still what it was when its export began, and shows all of it.

use super::Export;
use crate::error::{Error, Exit, Result};
use crate::keyspace::plan;
use std::cell::Cell;
use uuid::Uuid;

impl Export<'_> {
    /// Waits until a right to see masked columns counts on every node: until then they would be read masked, and look fine.
    pub(super) async fn sees_all(&self) -> Result<()> {
        if self.look.masked.is_empty() {
            return Ok(());
        }
        self.stop.pause(self.source.permissions_last().await?).await
    }

    /// Whether the tables are still what they were when the export began, and nothing of them is masked to the role.
    pub(super) async fn unchanged(&self, version: &Cell<Uuid>) -> Result<()> {
        if !self.look.masked.is_empty() {
            self.unmasked().await?;
        }
        let now = self.source.schema_version(&self.look.members).await?;
        if now == version.get() {
            return Ok(());
        }
        // Anything in the cluster may have changed.
        let schema = self.source.schema(&self.look.members).await?;
        let changed = plan::changed(&self.shard.plan, &schema)?;
        if !changed.is_empty() {
            return Err(changed_error(&changed));
        }
        self.unmasked().await?;
        version.set(now);
        Ok(())
    }

    /// A mask, or the loss of the right to see past it, is no change of a table.
    async fn unmasked(&self) -> Result<()> {
        let exported = |hidden: &String| {
            let tables = self.shard.plan.tables.iter();
            let mut columns = tables.flat_map(|table| {
                let outline = &table.outline;
                outline
                    .columns
                    .iter()
                    .map(|column| format!("{}.{}", outline.name, column.name))
            });
            columns.any(|column| column == *hidden)
        };
        let hidden = self.source.hidden().await?;
        match hidden.iter().find(|hidden| exported(hidden)) {
            None => Ok(()),
            Some(hidden) => Err(Error::new(
                Exit::Refused,
                format!("{hidden} has become masked to the role while it was exported"),
            )
            .now("what is sealed stays; the range that was being read is not sealed")
            .next("GRANT UNMASK to this role, then the same command")),
        }
    }

    /// A refusal of the server, or the change of the schema that is behind it.
    pub(super) async fn explained(&self, error: Error) -> Error {
        let Ok(schema) = self.source.schema(&self.look.members).await else {
            return error;
        };
        match plan::changed(&self.shard.plan, &schema) {
            Ok(changed) if !changed.is_empty() => changed_error(&changed),
            _ => error,
        }
    }
}

fn changed_error(tables: &[String]) -> Error {
    Error::failed(format!(
        "the schema was changed while it was exported: {}",
        tables.join(", ")
    ))
    .now("what is sealed of the other tables stays; the range that was being read is not sealed")
    .next("the same command, which reads the changed tables from their beginning")
}
