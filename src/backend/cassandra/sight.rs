//! What is there before a statement is sent, and what is refused for it.

use super::fault::Fault;
use super::intent::Intent;
use super::names::literal;
use super::{Cassandra, clocks, schema};
use crate::cql::proof::{Claim, before, claim, refuse};
use crate::cql::schema::Schema;
use crate::cql::{Act, Change, Object, Statement};
use crate::error::{Error, Exit, Result};
use crate::source::Part;
use std::time::Duration;

/// What the coordinator shows before a statement is sent.
pub struct Sight {
    found: Schema,
    /// Its clock, in microseconds since 1970.
    now: i64,
    /// The latest write time of what is changed or dropped, likewise.
    written: Option<i64>,
}

impl Cassandra {
    /// Looks at what is there before a statement is sent, and refuses what the server would take in silence.
    ///
    /// # Errors
    /// What is there does not go with the statement; nothing was sent.
    pub(super) async fn picture(
        &mut self,
        part: &Part,
        statement: &Statement,
        intent: &mut Intent,
    ) -> Result<()> {
        let claim = claim(&statement.act, &self.recorder.names.keyspace);
        let sight = match self.sighted.take() {
            Some((act, sight)) if act == statement.act => sight,
            _ => self.sight(&statement.act).await?,
        };
        let Sight {
            found,
            now,
            written,
        } = sight;
        let place = part.place(intent.from);
        // A cell with a later time would win against this statement, which the server then takes without effect (C7).
        let ahead = written.filter(|written| *written >= now);
        if let Some(ahead) = ahead.filter(|ahead| ahead - now <= clocks::SKEW_MAX_MS * 1000) {
            let left = u64::try_from(ahead - now + 1000).unwrap_or_default();
            self.options.stop.pause(Duration::from_micros(left)).await?;
        } else if let Some(ahead) = ahead {
            return Err(Error::failed(format!(
                "what this statement changes was written {} ms in the future, by a node whose clock was ahead",
                (ahead - now) / 1000
            ))
            .at(place.clone())
            .now("this statement was not sent")
            .next("set the clocks right, wait until then, and run the same command"));
        }
        if let Some(why) = refuse(&statement.act, &claim.keyspace, &found, now / 1000) {
            return Err(Error::new(Exit::Failed, format!("not sent: {why}"))
                .at(place.clone())
                .now("this statement was not sent"));
        }
        let id = intent.id.map(|id| id.to_string());
        if intent.before.is_none() {
            intent.before = Some(before(&claim, id.as_deref(), &found));
        }
        Ok(())
    }

    /// What the coordinator shows of a statement's object before it is sent.
    pub(super) async fn sight(&self, act: &Act) -> Result<Sight> {
        let claim = claim(act, &self.recorder.names.keyspace);
        let object = schema::object(act);
        let at = self.sender.coordinator;
        let (found, now, written) = tokio::join!(
            schema::of(&self.sender, at, &claim.keyspace, object),
            clocks::clock(&self.sender),
            self.written(&claim, object, act)
        );
        Ok(Sight {
            found: found?,
            now: now?,
            written: written?,
        })
    }

    /// The latest write time of what a statement changes or drops, in microseconds.
    async fn written(
        &self,
        claim: &Claim,
        object: Option<&Object>,
        act: &Act,
    ) -> Result<Option<i64>> {
        let (Some(object), Act::Alter { .. } | Act::Drop { .. }) = (object, act) else {
            return Ok(None);
        };
        let dropped = match act {
            Act::Alter {
                change: Change::Drop { columns, .. },
                ..
            } => columns.as_slice(),
            _ => &[],
        };
        let (cell, source, key, name) = match object {
            Object::Table(name) if !dropped.is_empty() => ("type", "columns", "table_name", name),
            Object::Table(name) => ("id", "tables", "table_name", name),
            Object::View(name) => ("id", "views", "view_name", name),
            Object::Type(name) => ("field_names", "types", "type_name", name),
            _ => return Ok(None),
        };
        let mut query = format!(
            "SELECT writetime({cell}) AS at FROM system_schema.{source} WHERE keyspace_name = {} AND {key} = {}",
            literal(&claim.keyspace),
            literal(&name.name)
        );
        if !dropped.is_empty() {
            let columns: Vec<String> = dropped.iter().map(|column| literal(column)).collect();
            query += &format!(" AND column_name IN ({})", columns.join(", "));
        }
        let rows = self
            .sender
            .ask_member(self.sender.coordinator, &query, self.sender.timeout)
            .await
            .map_err(Fault::error)?;
        Ok(rows.iter().filter_map(|row| row.number("at")).max())
    }
}
