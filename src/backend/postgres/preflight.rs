//! Who would hold up a statement that waits without end, asked before it is begun.
//!
//! Tried on a server, for each kind of statement: builds wait for every snapshot of this database and for those who hold
//! the table; a DROP INDEX CONCURRENTLY and a DETACH only for those who hold the table, readers included; a validation for
//! those who hold it against changes of its shape. A prepared transaction counts where it holds the table. Replication slots,
//! standbys and transactions of other databases hold back none of them.

use super::Postgres;
use super::bare_step::Step;
use super::names::{literal, quoted};
use super::query::rows;
use super::script::Failure;
use super::watch::{PREPARED, PREPARED_LOCKS, SESSION, blocker};
use crate::backend::{Blocker, Event};
use crate::error::{Error, Result};
use crate::place::Place;
use crate::sql::{Bare, Name, Reindexed};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether they are gone, at most.
const POLL_MAX: Duration = Duration::from_secs(1);

/// The locks on its table that a statement waits for.
#[derive(Debug, Clone, Copy)]
enum Holding {
    /// Every one, those of readers too.
    Any,
    /// Those of writers.
    Writing,
    /// Those that keep the table as it is.
    Shaping,
}

/// A statement that is about to be begun.
#[derive(Debug)]
pub struct Ahead {
    /// Where it stands.
    pub place: Place,
    /// Its table, or an index of it.
    relation: Option<Name>,
    snapshots: bool,
    holding: Holding,
}

impl Ahead {
    /// A bare statement that waits for others; nothing where it does not.
    pub fn bare(step: &Step<'_>) -> Option<Self> {
        let (relation, snapshots, holding) = match step.kind {
            Bare::CreateIndex { table, .. } => (Some(table.clone()), true, Holding::Writing),
            Bare::DropIndex { index } => (Some(index.clone()), false, Holding::Any),
            Bare::Detach { table, .. } => (Some(table.clone()), false, Holding::Any),
            Bare::Reindex(Reindexed::Index(name) | Reindexed::Table(name)) => {
                (Some(name.clone()), true, Holding::Any)
            }
            Bare::Reindex(_) => (None, true, Holding::Any),
            Bare::Repeatable | Bare::Opaque => return None,
        };
        Some(Ahead {
            place: step.place(),
            relation,
            snapshots,
            holding,
        })
    }

    /// A validation of a constraint of this table.
    pub fn validation(place: Place, table: Option<Name>) -> Self {
        Ahead {
            place,
            relation: table,
            snapshots: false,
            holding: Holding::Shaping,
        }
    }

    /// Asks for the transactions in its way that have reached this age. Younger ones end by themselves, most likely: the
    /// statement is begun, and waits for them in the server.
    fn query(&self, age: Duration) -> String {
        let old = |since: &str| {
            let age = age.as_millis();
            format!("{since} <= clock_timestamp() - interval '{age} milliseconds'")
        };
        let (session, prepared) = (old("a.xact_start"), old("p.prepared"));
        let modes = match self.holding {
            Holding::Any => "true",
            Holding::Writing => "l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')",
            Holding::Shaping => {
                "l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')"
            }
        };
        let name = match &self.relation {
            Some(name) => format!("to_regclass({})", literal(&quoted(name))),
            None => "NULL::regclass".to_string(),
        };
        let held = format!(
            "l.granted AND l.locktype = 'relation' AND l.relation = (SELECT oid FROM t) AND {modes} \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
        );
        // VACUUMs and other builds show a snapshot that a build does not wait for.
        let snapshots = match self.snapshots {
            true => {
                "a.backend_xmin IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid) \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index c WHERE c.pid = a.pid)"
            }
            false => "false",
        };
        // An autovacuum that may be ended for this statement is ended by the server.
        format!(
            "WITH t AS MATERIALIZED (SELECT coalesce((SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = {name}), {name}::oid) AS oid) \
             SELECT {SESSION}, a.xact_start::text AS since FROM pg_catalog.pg_stat_activity a WHERE a.datname = current_database() \
             AND a.pid <> pg_backend_pid() AND {session} AND a.backend_type IS DISTINCT FROM 'autovacuum worker' \
             AND ({snapshots} OR EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND {held})) \
             UNION ALL SELECT {PREPARED}, p.prepared::text FROM pg_catalog.pg_prepared_xacts p \
             WHERE p.database = current_database() AND {prepared} AND EXISTS (SELECT FROM {PREPARED_LOCKS} AND {held})"
        )
    }
}

/// A transaction, told apart from the next one of its session.
type Key = ((i64, Option<String>), String);

impl Postgres {
    /// Waits until the old transactions that would hold the statement up have ended, those that are there at the first
    /// look: others may always come, and the statement itself does not wait for them.
    ///
    /// # Errors
    /// They have not ended by the deadline. The statement was not begun.
    pub(super) async fn preflight(
        &mut self,
        ahead: &Ahead,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let until = Instant::now() + self.options.ddl_deadline;
        let query = ahead.query(self.options.old_transaction);
        let mut pause = Duration::from_millis(100);
        let mut first: Option<Vec<Key>> = None;
        let mut told: Vec<Key> = Vec::new();
        loop {
            let mut there = self.old(&query).await?;
            if let Some(first) = &first {
                there.retain(|(key, _)| first.contains(key));
            }
            let (keys, blockers): (Vec<Key>, Vec<Blocker>) = there.into_iter().unzip();
            if keys.is_empty() {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Refused(self.held_up(ahead, &blockers)));
            }
            if told != keys {
                tell(Event::Blocked {
                    place: ahead.place.label(),
                    left: Some(left),
                    blockers,
                });
                told.clone_from(&keys);
            }
            first.get_or_insert(keys);
            self.options
                .stop
                .pause(pause.min(left))
                .await
                .map_err(Failure::Refused)?;
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    async fn old(&self, query: &str) -> Result<Vec<(Key, Blocker)>, Failure> {
        let client = &self.connection.client;
        let messages = client
            .simple_query(query)
            .await
            .map_err(|error| Failure::Refused(super::Fault::from(error).error()))?;
        let found = rows(&messages).into_iter().map(|row| {
            let blocker = blocker(row);
            let since = row.get("since").unwrap_or_default().to_string();
            ((blocker.key(), since), blocker)
        });
        Ok(found.collect())
    }

    fn held_up(&self, ahead: &Ahead, blockers: &[Blocker]) -> Error {
        let mut message = format!(
            "not begun: it would wait for older transactions to end, and they did not within {} s",
            self.options.ddl_deadline.as_secs_f64()
        );
        for blocker in blockers {
            message += &format!("\nin the way: {blocker}");
        }
        let ends: Vec<String> = blockers.iter().map(Blocker::end).collect();
        Error::failed(message).at(ahead.place.clone()).next(format!(
            "wait for their end, or end them ({}), then the same command, or with a longer --ddl-deadline",
            ends.join("; ")
        ))
    }
}
