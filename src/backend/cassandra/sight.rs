//! What is there before a statement is sent, and what is refused for it.

use super::fault::Fault;
use super::intent::Intent;
use super::names::literal;
use super::{Cassandra, clocks, schema};
use crate::cql::proof::{Claim, before, claim, refuse};
use crate::cql::schema::Schema;
use crate::cql::{Act, Change, Object};
use crate::error::{Error, Exit, Result};
use crate::place::Place;
use crate::source::Part;
use futures_util::future::try_join_all;
use std::time::Duration;

/// What the coordinator shows before some statements are sent.
pub struct Sight {
    found: Schema,
    /// Its clock, in microseconds since 1970.
    now: i64,
    /// The latest write time of what each changes or drops, likewise.
    written: Vec<Option<i64>>,
}

impl Cassandra {
    /// Looks at what is there before the statements of an intent are sent, and refuses what the server would take in
    /// silence. Several of them only add, and each something else, so one look serves all.
    ///
    /// # Errors
    /// What is there does not go with one of them; nothing was sent.
    pub(super) async fn picture(&mut self, part: &Part, intent: &mut Intent) -> Result<()> {
        let statements = part.cql.get(intent.from..intent.to).unwrap_or_default();
        let acts: Vec<Act> = statements.iter().map(|found| found.act.clone()).collect();
        let sight = match self.sighted.take() {
            Some((sighted, sight)) if sighted == acts => sight,
            _ => self.sight(&acts).await?,
        };
        let Sight {
            found,
            now,
            written,
        } = sight;
        let known = !intent.before.is_empty();
        for (at, (act, written)) in (intent.from..).zip(acts.iter().zip(written)) {
            let place = part.place(at);
            self.in_the_past(written, now, &place).await?;
            let claim = claim(act, &self.recorder.names.keyspace);
            if let Some(why) = refuse(act, &claim.keyspace, &found, now / 1000) {
                return Err(Error::new(Exit::Failed, format!("not sent: {why}"))
                    .at(place)
                    .now("this statement was not sent"));
            }
            if !known {
                let id = intent.id(at).map(|id| id.to_string());
                intent.before.push(before(&claim, id.as_deref(), &found));
            }
        }
        Ok(())
    }

    /// A cell with a later time would win against a statement, which the server then takes without effect (C7).
    async fn in_the_past(&self, written: Option<i64>, now: i64, place: &Place) -> Result<()> {
        let Some(ahead) = written.filter(|written| *written >= now) else {
            return Ok(());
        };
        if ahead - now <= clocks::SKEW_MAX_MS * 1000 {
            let left = u64::try_from(ahead - now + 1000).unwrap_or_default();
            return self.options.stop.pause(Duration::from_micros(left)).await;
        }
        Err(Error::failed(format!(
            "what this statement changes was written {} ms in the future, by a node whose clock was ahead",
            (ahead - now) / 1000
        ))
        .at(place.clone())
        .now("this statement was not sent")
        .next("set the clocks right, wait until then, and run the same command"))
    }

    /// What the coordinator shows of the objects of some statements, all of one keyspace, before they are sent.
    pub(super) async fn sight(&self, acts: &[Act]) -> Result<Sight> {
        let own = &self.recorder.names.keyspace;
        let claims: Vec<Claim> = acts.iter().map(|act| claim(act, own)).collect();
        let (keyspace, objects) = schema::objects(acts.iter(), own);
        let at = self.sender.coordinator;
        let written = claims
            .iter()
            .zip(acts)
            .map(|(claim, act)| self.written(claim, schema::object(act), act));
        let (found, now, written) = tokio::join!(
            schema::of(&self.sender, at, &keyspace, &objects),
            clocks::clock(&self.sender),
            try_join_all(written)
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
