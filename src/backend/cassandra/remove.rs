//! Drops what a reset takes away.
//!
//! Each drop is awaited at every member. kmig's own tables stay: to drop them and to make them again would be a race
//! with whoever starts meanwhile. They get a new incarnation instead, which hides every row of the old one, also from a
//! node that brings one back (traps C2).

use super::fault::{Fault, Kind};
use super::journal::Line;
use super::query::How;
use super::{Cassandra, look, schema, tables};
use crate::backend::{Event, Thing, blocked};
use crate::cql::stands::standing;
use crate::error::{Error, Exit, Result};
use serde_json::json;

/// In this order nothing stands on what is dropped.
const ORDER: [&str; 7] = [
    "trigger",
    "materialized view",
    "index",
    "table",
    "aggregate",
    "function",
    "type",
];

impl Cassandra {
    /// Drops these, newest first within a kind, and forgets what is recorded.
    pub(super) async fn remove_things(
        &mut self,
        things: &[Thing],
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        if !self.options.without.is_empty() {
            return Err(Error::new(
                Exit::Refused,
                "nothing is dropped while a member is left out: it would bring back what it still has",
            )
            .now("nothing was dropped")
            .next("bring the node back or remove it from the ring, then kmig reset"));
        }
        self.until_quiet(tell).await?;
        self.nothing_stands_on(things).await?;
        let run = self.options.run.to_string();
        let names: Vec<String> = things
            .iter()
            .map(|thing| format!("{} {}", thing.kind, thing.name))
            .collect();
        let line = Line {
            kind: "reset",
            detail: Some(json!({ "drops": names }).to_string()),
            ..Line::default()
        };
        self.write_with(&[self.recorder.resetting(&run)], &[line])
            .await?;
        for kind in ORDER {
            for thing in things.iter().rev().filter(|thing| thing.kind == kind) {
                self.options.stop.check()?;
                self.drop_one(thing, tell).await?;
            }
        }
        let lease = self.lease.as_ref().ok_or_else(super::state::fenced)?;
        lease.check(self.sender.timeout).await?;
        let text = tables::renew(&self.recorder.names);
        self.make(&text, tell).await?;
        let members = self.agreement(tell).await?;
        tables::same_everywhere(&self.sender, &self.recorder.names, &members).await?;
        let rows = self.rows.keys().map(|id| self.recorder.forget(id));
        let gone: Vec<String> = rows.chain([self.recorder.cleared()]).collect();
        // kmig reads nothing of these any more; that they go is for whoever looks into the table.
        if let Err(error) = self.write_with(&gone, &[]).await {
            tell(Event::Notice {
                severity: "WARNING".to_string(),
                message: format!(
                    "rows of the old record are left in schema_meta: {}",
                    error.message
                ),
            });
        }
        self.rows.clear();
        Ok(())
    }

    /// Refuses before the first drop what the server would refuse at one of them, the others being gone by then.
    async fn nothing_stands_on(&self, things: &[Thing]) -> Result<()> {
        let keyspace = &self.recorder.names.keyspace;
        let schema = schema::of(&self.sender, self.sender.coordinator, keyspace, &[]).await?;
        let goes = |kind: &str, name: &str| {
            // Behind the name of a function stand its arguments.
            let (name, arguments) = name.split_at(name.find('(').unwrap_or(name.len()));
            let name = look::qualified(keyspace, name) + arguments;
            let mut each = things.iter();
            each.any(|thing| thing.kind == kind && thing.name == name)
        };
        let lines = standing(&schema, goes);
        match lines.is_empty() {
            true => Ok(()),
            false => Err(blocked(&lines).now("nothing was dropped by this run")),
        }
    }

    async fn drop_one(&mut self, thing: &Thing, tell: &mut dyn FnMut(Event)) -> Result<()> {
        let lease = self.lease.as_ref().ok_or_else(super::state::fenced)?;
        lease.check(self.sender.timeout).await?;
        let guard = match thing.kind.as_str() {
            // Members may still differ about the second of two that were sent alike.
            "trigger" => "",
            _ => "IF EXISTS ",
        };
        let text = format!("DROP {} {guard}{}", thing.kind.to_uppercase(), thing.name);
        let how = How {
            timeout: Some(self.options.request_timeout.min(self.options.lease / 2)),
            ..How::default()
        };
        let stopped = |fault: Fault| {
            fault
                .error()
                .now(format!("{} {} was not dropped, nor what comes after it; everything is recorded as before, and only kmig reset runs until it is complete", thing.kind, thing.name))
                .next("mend what stands on it, then kmig reset, which drops the rest")
        };
        match self.sender.send(&text, how).await {
            Ok(_) => {}
            Err(fault) if fault.kind == Kind::Refused => return Err(stopped(fault)),
            // In doubt: a repeat of it says nothing where it is gone.
            Err(_) => {
                self.agreement(tell).await?;
                self.sender.send(&text, how).await.map_err(stopped)?;
            }
        }
        self.agreement(tell).await?;
        tell(Event::Statement);
        Ok(())
    }
}
