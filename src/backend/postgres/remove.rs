//! Dropping what migrations made, and kmig's own tables: one transaction, and never CASCADE. What depends on something
//! else is tried again once that is gone; what nothing of the list holds back any more, somebody else's object does.

use super::fault::Fault;
use super::names::literal;
use super::query::rows;
use super::script::{Role, Script};
use super::{Postgres, lock, session};
use crate::backend::{Event, Thing, blocked};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

/// The kinds in the order in which most can be dropped at the first try; others follow.
const ORDER: [&str; 8] = [
    "view",
    "materialized view",
    "table",
    "foreign table",
    "sequence",
    "function",
    "procedure",
    "aggregate",
];

/// A schema goes once it is empty.
const LAST: &str = "schema";

/// Why a try came to nothing.
enum Refused {
    /// The server's error.
    Fault(Fault),
    /// kmig's own.
    Error(Error),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Refused::Fault(fault)
    }
}

impl Postgres {
    /// See [`crate::backend::Backend::remove`].
    pub(super) async fn remove_things(
        &mut self,
        things: &[Thing],
        tell: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let until = Instant::now() + self.options.ddl_deadline;
        loop {
            self.options.stop.check()?;
            let tried = self.try_remove(things).await;
            self.notices(tell);
            let fault = match tried {
                Ok(()) => {
                    self.watch = None;
                    return Ok(());
                }
                Err(Refused::Error(error)) => {
                    // What stood in the way is what the user needs.
                    let _ = self.roll_back().await;
                    return Err(error);
                }
                Err(Refused::Fault(fault)) => fault,
            };
            if fault.session_gone() {
                return Err(fault
                    .error()
                    .now("the connection is gone in the middle of it: either everything was dropped, or nothing")
                    .next("kmig status: where it says that the database is not bootstrapped (3), all is dropped; else the same command"));
            }
            let back = self.roll_back().await;
            let left = until.saturating_duration_since(Instant::now());
            if fault.lock_not_granted() && !left.is_zero() {
                back?;
                let message = fault.message.clone();
                self.make_way("reset".to_string(), message, left, tell)
                    .await
                    .map_err(|error| error.now(NOTHING))?;
                continue;
            }
            let waited = fault.lock_not_granted();
            let denied = fault.is(&SqlState::INSUFFICIENT_PRIVILEGE);
            let mut error = fault.error().now(NOTHING);
            if waited {
                self.waited(&mut error, false);
            } else if denied {
                error.next = Some(
                    "kmig reset as the role that owns these objects, or a member of it".into(),
                );
            }
            return Err(error);
        }
    }

    async fn try_remove(&self, things: &[Thing]) -> Result<(), Refused> {
        let client = &self.connection.client;
        let mut script = Script::default();
        script.push(0, Role::Own, "BEGIN");
        script.push(0, Role::Guard, &lock::guard(self.key));
        script.push(0, Role::Own, session::DURABLE);
        // What went along with another one is no news.
        script.push(0, Role::Own, "SET LOCAL client_min_messages TO warning");
        let begun = script.run(client, |_| {}).await;
        begun.map_err(|stopped| {
            let guard = stopped.line.role == Role::Guard;
            match guard && stopped.fault.is(&SqlState::DIVISION_BY_ZERO) {
                true => Refused::Error(lock::lost().now(NOTHING)),
                false => Refused::Fault(stopped.fault),
            }
        })?;
        let mut left: Vec<(u32, u32)> = things
            .iter()
            .map(|thing| (thing.class, thing.oid))
            .collect();
        left.extend(self.own_tables().await?);
        if left.is_empty() {
            self.send_one("COMMIT").await?;
            return Ok(());
        }
        // Once locked, a table is not renamed, and its oid and its name mean one thing.
        let (tables, partitioned) = self.tables(&left).await?;
        if !tables.is_empty() {
            let only: Vec<String> = tables.iter().map(|name| format!("ONLY {name}")).collect();
            self.send_one(&format!(
                "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
                only.join(", ")
            ))
            .await?;
        }
        if partitioned {
            self.refuse_partitions(&left).await?;
        }
        loop {
            let there = self.named(&left).await?;
            if there.is_empty() {
                break;
            }
            self.pass(&there).await?;
        }
        self.send_one("COMMIT").await?;
        Ok(())
    }

    /// Drops what can be dropped now, kind by kind.
    async fn pass(&self, there: &[(String, String)]) -> Result<(), Refused> {
        let mut kinds: Vec<&str> = there.iter().map(|(kind, _)| kind.as_str()).collect();
        let rank = |kind: &str| match kind {
            LAST => ORDER.len() + 1,
            _ => ORDER
                .iter()
                .position(|known| *known == kind)
                .unwrap_or(ORDER.len()),
        };
        kinds.sort_by_key(|kind| (rank(kind), *kind));
        kinds.dedup();
        let mut progress = false;
        let mut blocked: Option<Vec<Fault>> = None;
        for kind in kinds {
            let named = there.iter().filter(|(of, _)| of == kind);
            let names: Vec<&str> = named.map(|(_, name)| name.as_str()).collect();
            // All at once: tables that refer to each other go together.
            let Err(fault) = self.drop_all(kind, &names).await? else {
                progress = true;
                continue;
            };
            let mut faults = Vec::new();
            if names.len() == 1 {
                faults.push(fault);
            } else {
                for name in names {
                    match self.drop_all(kind, &[name]).await? {
                        Ok(()) => progress = true,
                        Err(fault) => faults.push(fault),
                    }
                }
            }
            if !faults.is_empty() {
                blocked.get_or_insert(faults);
            }
        }
        match blocked {
            Some(faults) if !progress => Err(Refused::Error(in_the_way(faults))),
            _ => Ok(()),
        }
    }

    /// One DROP. A partition may have gone with its parent since it was named. That other objects depend on these is no
    /// error of the transaction.
    async fn drop_all(&self, kind: &str, names: &[&str]) -> Result<Result<(), Fault>, Refused> {
        self.options.stop.check().map_err(Refused::Error)?;
        let kind = kind.to_ascii_uppercase();
        let sql = format!(
            "SAVEPOINT kmig; DROP {kind} IF EXISTS {} RESTRICT; RELEASE SAVEPOINT kmig",
            names.join(", ")
        );
        match self.send_one(&sql).await {
            Ok(()) => Ok(Ok(())),
            Err(fault) if fault.is(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                self.send_one("ROLLBACK TO SAVEPOINT kmig; RELEASE SAVEPOINT kmig")
                    .await?;
                Ok(Err(fault))
            }
            Err(fault) => Err(Refused::Fault(fault)),
        }
    }

    /// kmig's own tables, as far as they are there.
    async fn own_tables(&self) -> Result<Vec<(u32, u32)>, Fault> {
        let names = &self.recorder.names;
        let names = [&names.meta, &names.journal, &names.history];
        let names = names.map(|name| format!("({})", literal(name)));
        let sql = format!(
            "SELECT 'pg_catalog.pg_class'::regclass::oid, to_regclass(name)::oid FROM (VALUES {}) AS own (name) \
             WHERE to_regclass(name) IS NOT NULL",
            names.join(", ")
        );
        let messages = self.connection.client.simple_query(&sql).await?;
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        let found = rows(&messages).into_iter();
        Ok(found
            .filter_map(|row| Some((number(row.get(0))?, number(row.get(1))?)))
            .collect())
    }

    /// Kind and name of those that are still there, in this order.
    async fn named(&self, things: &[(u32, u32)]) -> Result<Vec<(String, String)>, Fault> {
        let there = ["class", "type", "proc", "namespace", "extension"].map(|catalogue| {
            format!(
                "class = 'pg_catalog.pg_{catalogue}'::regclass AND EXISTS (SELECT FROM pg_catalog.pg_{catalogue} c WHERE c.oid = v.oid)"
            )
        });
        let sql = format!(
            "WITH there AS MATERIALIZED (SELECT * FROM (VALUES {}) AS v (at, class, oid) WHERE {}) \
             SELECT named.type, named.identity FROM there, LATERAL pg_catalog.pg_identify_object(class, oid, 0) named ORDER BY at",
            values(things),
            there.join(" OR ")
        );
        let messages = self.connection.client.simple_query(&sql).await?;
        let found = rows(&messages).into_iter();
        Ok(found
            .filter_map(|row| Some((row.get(0)?.to_string(), row.get(1)?.to_string())))
            .collect())
    }

    /// The names of the tables among these, and whether one is partitioned.
    async fn tables(&self, things: &[(u32, u32)]) -> Result<(Vec<String>, bool), Fault> {
        let sql = format!(
            "SELECT named.identity, c.relkind FROM (VALUES {}) AS v (at, class, oid) \
             JOIN pg_catalog.pg_class c ON c.oid = v.oid AND c.relkind IN ('r', 'p') AND class = 'pg_catalog.pg_class'::regclass, \
             LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) named ORDER BY at",
            values(things)
        );
        let messages = self.connection.client.simple_query(&sql).await?;
        let found = rows(&messages);
        let partitioned = found.iter().any(|row| row.get(1) == Some("p"));
        let names = found.iter().filter_map(|row| row.get(0));
        Ok((names.map(str::to_string).collect(), partitioned))
    }

    /// DROP of a partitioned table takes its partitions along, whoever made them, and says nothing.
    async fn refuse_partitions(&self, things: &[(u32, u32)]) -> Result<(), Refused> {
        let sql = format!(
            "WITH RECURSIVE own AS (SELECT oid FROM (VALUES {}) AS v (at, class, oid) WHERE class = 'pg_catalog.pg_class'::regclass), \
             below (oid, parent) AS (SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i JOIN own ON own.oid = i.inhparent \
             UNION SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i JOIN below ON below.oid = i.inhparent) \
             SELECT child.type, child.identity, parent.identity FROM below JOIN pg_catalog.pg_class c ON c.oid = below.oid \
             AND c.relispartition AND c.relkind IN ('r', 'p', 'f') AND c.oid NOT IN (SELECT oid FROM own), \
             LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) child, \
             LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, below.parent, 0) parent ORDER BY 2",
            values(things)
        );
        let messages = self.connection.client.simple_query(&sql).await;
        let messages = messages.map_err(Fault::from)?;
        let found = rows(&messages).into_iter().filter_map(|row| {
            let (kind, name, parent) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Some(format!("{kind} {name} is a partition of table {parent}"))
        });
        let found: BTreeSet<String> = found.collect();
        match found.is_empty() {
            true => Ok(()),
            false => Err(Refused::Error(blocked(&found).now(NOTHING))),
        }
    }

    async fn send_one(&self, sql: &str) -> Result<(), Fault> {
        let sent = self.connection.client.batch_execute(sql).await;
        sent.map_err(Fault::from)
    }
}

/// What is now true wherever a reset did not come to its end.
const NOTHING: &str = "nothing was dropped";

/// Rows of position, catalogue and oid.
fn values(things: &[(u32, u32)]) -> String {
    let rows = things.iter().enumerate();
    let rows = rows.map(|(at, (class, oid))| format!("({at}, {class}::oid, {oid}::oid)"));
    rows.collect::<Vec<_>>().join(", ")
}

/// What the server said depends on objects that nothing of the list holds back any more.
fn in_the_way(faults: Vec<Fault>) -> Error {
    let mut server = None;
    let mut lines = BTreeSet::new();
    for fault in faults {
        let detail = fault.server.detail.as_deref().unwrap_or(&fault.message);
        lines.extend(detail.lines().map(str::to_string));
        server.get_or_insert(fault.server);
    }
    let mut error = blocked(&lines).now(NOTHING);
    error.server = server.map(|mut server| {
        // Said already, for all of them; and its hint is to use CASCADE.
        (server.detail, server.hint) = (None, None);
        Box::new(server)
    });
    error
}
