//! Who is connected to this database, in one query: sessions, what this server feeds, prepared transactions (contract §6.2).
//!
//! Columns that a role without pg_read_all_stats sees as NULL are never a condition: such a session would be left out,
//! and the gate would open over it.

use super::Postgres;
use super::fault::Fault;
use super::names::{identifier, literal};
use super::query::{alone, rows};
use crate::backend::Sighting;
use crate::error::{Error, Exit, Result};
use crate::gate::{Check, Client, Evidence, Feed, Prepared, Unseen};
use crate::run::RunId;
use std::collections::BTreeSet;
use tokio_postgres::SimpleQueryRow;

/// What one look at a server shows. Every name is qualified: a part's own search path may be in force.
pub(super) const QUERY: &str = "SELECT 'server' AS kind, extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text AS id, \
     pg_catalog.current_database()::text AS name, NULL::text AS role, NULL::text AS host, \
     pg_catalog.pg_is_in_recovery()::text AS state, NULL::text AS more \
     UNION ALL SELECT 'client', a.pid::text, coalesce(a.application_name, ''), coalesce(a.usename::text, a.usesysid::text), \
     pg_catalog.host(a.client_addr), \
     a.state || CASE WHEN a.state <> 'active' THEN ' for ' || extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::bigint || ' s' ELSE '' END, \
     CASE WHEN a.backend_type IS NULL THEN 'hidden' END \
     FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
     AND a.usesysid IS NOT NULL AND (a.backend_type IS NULL OR a.backend_type = 'client backend') \
     UNION ALL SELECT 'feed', r.pid::text, coalesce(nullif(r.application_name, ''), s.slot_name::text, ''), r.usename::text, \
     pg_catalog.host(r.client_addr), coalesce(s.slot_type, 'physical'), s.slot_name::text \
     FROM pg_catalog.pg_stat_replication r LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid \
     WHERE (s.slot_type IS DISTINCT FROM 'logical' OR s.database = pg_catalog.current_database()) AND r.state IS DISTINCT FROM 'backup' \
     UNION ALL SELECT 'feed', NULL, s.slot_name::text, NULL, NULL, s.slot_type, s.slot_name::text FROM pg_catalog.pg_replication_slots s \
     WHERE (s.slot_type = 'physical' OR s.database = pg_catalog.current_database()) \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication r WHERE r.pid = s.active_pid) \
     UNION ALL SELECT 'prepared', p.gid, NULL, p.owner::text, NULL, \
     greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::bigint)::text, NULL \
     FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()";

impl Postgres {
    /// Looks at this server, at the replicas and through the poolers that are named.
    pub(super) async fn look_around(&mut self) -> Result<Evidence> {
        let mut evidence = self.look_outside().await;
        let messages = alone(&self.connection.client, QUERY).await?;
        self.add_own(&mut evidence, &rows(&messages));
        Ok(evidence)
    }

    /// Looks once more inside the transaction that is about to be committed: what was seen in it before is forgotten, or
    /// who came later would stay invisible (traps P4).
    pub(super) async fn look_inside(&self, outside: &Evidence) -> Result<Evidence, Fault> {
        let sql = format!("SELECT pg_catalog.pg_stat_clear_snapshot(); {QUERY}");
        let messages = self.connection.client.simple_query(&sql).await?;
        let mut evidence = outside.clone();
        let found = rows(&messages);
        // The first row is that of the function.
        self.add_own(&mut evidence, found.get(1..).unwrap_or_default());
        Ok(evidence)
    }

    /// What is seen elsewhere than at this server.
    pub(super) async fn look_outside(&mut self) -> Evidence {
        let mut outside = std::mem::take(&mut self.outside);
        let evidence = outside.look(&self.options.gate, &self.database).await;
        self.outside = outside;
        evidence
    }

    /// Adds what this server shows.
    fn add_own(&self, evidence: &mut Evidence, found: &[&SimpleQueryRow]) {
        let own = server(found);
        if self.outside.is_own(&own) {
            evidence.unseen.push(Unseen {
                check: Check::Standbys,
                what: "a url of replicas leads to this server itself".to_string(),
                next: "replicas in [gate] name the servers that receive what is written here"
                    .to_string(),
            });
        }
        evidence.places.push("this server".to_string());
        let through = self.outside.server_pids();
        read(evidence, found, "", &through);
        if self.pooled() && self.options.gate.poolers.is_empty() {
            evidence.unseen.push(Unseen {
                check: Check::Poolers,
                what: "kmig itself is connected through a pooler, where the server shows only the last of the clients that share a session".to_string(),
                next: "name its admin console in poolers of [gate]: postgres://user@pooler:6432/pgbouncer".to_string(),
            });
        }
    }

    /// Who was seen since the batch was taken on.
    pub(super) async fn read_sightings(&self, batch: i64) -> Result<Vec<Sighting>> {
        let sql = self.recorder.sightings(batch);
        let messages = alone(&self.connection.client, &sql).await?;
        let sighting = |row: &SimpleQueryRow| {
            Sighting::read(
                row.get("kind")?,
                row.get("at")?.parse().ok()?,
                row.get("detail")?,
            )
        };
        Ok(rows(&messages).into_iter().filter_map(sighting).collect())
    }

    /// Takes CONNECT from roles of the old version, for good, and makes sure that they have it in no other way.
    pub(super) async fn take_connect(&mut self, roles: &[String]) -> Result<()> {
        let database = identifier(&self.database);
        let names: Vec<String> = roles.iter().map(|role| identifier(role)).collect();
        let list: Vec<String> = roles.iter().map(|role| literal(role)).collect();
        self.write(&[format!(
            "REVOKE CONNECT ON DATABASE {database} FROM {}",
            names.join(", ")
        )])
        .await?;
        let sql = format!(
            "SELECT r.rolname::text AS role, r.rolsuper AS super FROM pg_catalog.pg_roles r WHERE r.rolname = ANY (ARRAY[{}]::text[]) \
             AND pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT')",
            list.join(", ")
        );
        let messages = alone(&self.connection.client, &sql).await?;
        let left: Vec<String> = rows(&messages)
            .iter()
            .filter_map(|row| row.get("role").map(str::to_string))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Exit::Refused,
            format!(
                "CONNECT was taken from {}, and yet {} may connect: through PUBLIC, another role, or as a superuser",
                roles.join(", "),
                left.join(", ")
            ),
        )
        .now("nothing destructive was run; the migrations are pending as before")
        .next(format!(
            "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC, after a GRANT to each role that is to have it; or revoke_connect = false in [gate]"
        )))
    }
}

/// When the server was started, as its row says.
pub(super) fn server(found: &[&SimpleQueryRow]) -> String {
    let server = found.iter().find(|row| row.get("kind") == Some("server"));
    server
        .and_then(|row| row.get("id"))
        .unwrap_or_default()
        .to_string()
}

/// Reads what a server shows. Sessions of `through` belong to a pooler that is looked through itself.
pub(super) fn read(
    evidence: &mut Evidence,
    found: &[&SimpleQueryRow],
    place: &str,
    through: &BTreeSet<String>,
) {
    let mut hidden = BTreeSet::new();
    for row in found {
        let text = |column: &str| row.get(column).map(str::to_string);
        let id = text("id").unwrap_or_default();
        let name = text("name").unwrap_or_default();
        match row.get("kind") {
            Some("client") => {
                if RunId::of_application(&name).is_some() || through.contains(&id) {
                    continue;
                }
                if row.get("more") == Some("hidden") {
                    hidden.insert(text("role").unwrap_or_default());
                }
                evidence.clients.push(Client {
                    announced: name,
                    role: text("role"),
                    host: text("host"),
                    place: place.to_string(),
                    id: format!("pid {id}"),
                    state: text("state"),
                });
            }
            Some("feed") => evidence.feeds.push(feed(place, &name, row)),
            Some("prepared") => evidence.prepared.push(Prepared {
                gid: id,
                owner: text("role").unwrap_or_default(),
                seconds: text("state")
                    .and_then(|seconds| seconds.parse().ok())
                    .unwrap_or_default(),
            }),
            _ => {}
        }
    }
    if !hidden.is_empty() {
        let roles: Vec<String> = hidden.into_iter().collect();
        let at = if place.is_empty() {
            String::new()
        } else {
            format!(", at {place}")
        };
        evidence.unseen.push(Unseen {
            check: Check::Rights,
            what: format!("sessions of {}{at}", roles.join(", ")),
            next: "GRANT pg_read_all_stats TO the role that kmig connects as".to_string(),
        });
    }
}

fn feed(place: &str, name: &str, row: &SimpleQueryRow) -> Feed {
    let kind = match row.get("state") {
        Some("logical") => "logical subscriber",
        _ => "standby",
    };
    let mut line = match row.get("id") {
        Some(_) => format!("{kind} {name}"),
        None => format!("{kind} of the slot {name}, which is not connected"),
    };
    if let Some(host) = row.get("host") {
        line += &format!(" at {host}");
    }
    if !place.is_empty() {
        line += &format!(", fed by {place}");
    }
    Feed {
        name: name.to_string(),
        line,
    }
}
