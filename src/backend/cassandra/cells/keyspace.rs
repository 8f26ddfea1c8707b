//! The keyspace that an import writes to: its schema, its settings, and what kmig has noted there of imports.

use super::feed::room;
use super::hitches::Hitches;
use super::load::Way;
use super::patience::Patience;
use super::sent::Clock;
use super::settings::{mutation_max, write_timeout};
use super::throttle::{Limits, Throttle};
use crate::backend::Stop;
use crate::backend::cassandra::Cassandra;
use crate::backend::cassandra::fault::{Fault, INVALID, UNAUTHORIZED};
use crate::backend::cassandra::journal::{self, Line};
use crate::backend::cassandra::names::{identifier, literal};
use crate::backend::cassandra::query::{How, Sender};
use crate::backend::cassandra::tables::{self, Own};
use crate::backend::cassandra::{clocks, rights, schema};
use crate::cql::schema::Schema;
use crate::error::{Error, Exit, Result};
use crate::machine;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What lines of the journal are called that tell of imports.
const IMPORT: &str = "import";

/// Bytes of one request: more gains nothing.
const REQUEST_BYTES: usize = 64 << 10;

impl Cassandra {
    /// The keyspace's name.
    pub fn keyspace(&self) -> &str {
        &self.recorder.names.keyspace
    }

    /// kmig's own tables, which are no part of any import.
    pub fn own_tables(&self) -> [String; 3] {
        self.recorder.names.tables()
    }

    /// How long requests may take, and who ends a run.
    pub fn stop(&self) -> Stop {
        self.options.stop.clone()
    }

    /// The name of this run, as the journal has it.
    pub fn run(&self) -> String {
        self.options.run.to_string()
    }

    /// Looks for kmig's own tables, which an import keeps its record in.
    ///
    /// # Errors
    /// They are not there: 3.
    pub async fn needs_own_tables(&mut self) -> Result<()> {
        let at = self.sender.coordinator;
        self.own = tables::look(&self.sender, &self.recorder.names, at).await?;
        match self.own {
            Own::There(incarnation) => {
                self.recorder.incarnation = incarnation;
                Ok(())
            }
            Own::NoKeyspace | Own::Missing => Err(Error::new(
                Exit::NeedsBootstrap,
                format!(
                    "the keyspace {} has no schema of kmig's to import into",
                    self.keyspace()
                ),
            )
            .now("nothing was written")
            .next(
                "kmig bootstrap, with migrations that make the new tables; then the same command",
            )),
        }
    }

    /// What the coordinator shows of a keyspace.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn schema_of(&self, keyspace: &str) -> Result<Schema> {
        schema::of(&self.sender, self.sender.coordinator, keyspace, &[]).await
    }

    /// `system_views.settings` of the coordinator; what it does not show is not there.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>> {
        let query = "SELECT name, value FROM system_views.settings";
        let sender = self.working().await;
        let rows = sender.ask_member(sender.coordinator, query, sender.timeout);
        let rows = rows.await.map_err(|fault| {
            let forbidden = fault.is(UNAUTHORIZED);
            let role = identifier(self.options.role.as_deref().unwrap_or_default());
            match (fault.error(), forbidden) {
                (error, false) => error,
                (error, true) => error.now("nothing was run").next(format!(
                    "let an administrator GRANT SELECT ON KEYSPACE system_views TO {role}, then the same command"
                )),
            }
        })?;
        let pairs = rows.iter().filter_map(|row| {
            let value = row.text("value").unwrap_or_default();
            Some((row.text("name")?.to_string(), value.to_string()))
        });
        Ok(pairs.collect())
    }

    /// The sender, through another member where the coordinator has died.
    async fn working(&self) -> Sender {
        self.sender.working().await
    }

    async fn ask(&self, query: &str) -> Result<crate::backend::cassandra::query::Rows> {
        let sender = self.working().await;
        let rows = sender.ask_member(sender.coordinator, query, sender.timeout);
        rows.await.map_err(Fault::error)
    }

    /// Masked columns of the keyspace, each with its table. Before 5.0 there are none.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn masked(&self) -> Result<Vec<(String, String)>> {
        let query = format!(
            "SELECT table_name, column_name FROM system_schema.column_masks WHERE keyspace_name = {}",
            literal(self.keyspace())
        );
        let sender = &self.sender;
        let asked = sender.ask_member(sender.coordinator, &query, sender.timeout);
        let rows = match asked.await {
            Ok(rows) => rows,
            Err(fault) if fault.is(INVALID) => return Ok(Vec::new()),
            Err(fault) => return Err(fault.error()),
        };
        let pair = |row: crate::backend::cassandra::query::Cells<'_>| {
            Some((
                row.text("table_name")?.to_string(),
                row.text("column_name")?.to_string(),
            ))
        };
        Ok(rows.iter().filter_map(pair).collect())
    }

    /// The cluster's name.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn cluster_name(&self) -> Result<String> {
        let rows = self.ask("SELECT cluster_name FROM system.local").await?;
        let name = rows.first().and_then(|row| row.text("cluster_name"));
        Ok(name.unwrap_or_default().to_string())
    }

    /// Statements of a keyspace that the coordinator holds prepared.
    ///
    /// # Errors
    /// It does not answer. A role that may not read them sees none.
    pub async fn prepared(&self) -> Result<Vec<(String, String)>> {
        let sender = &self.sender;
        let query = "SELECT logged_keyspace, query_string FROM system.prepared_statements";
        let asked = sender.ask_member(sender.coordinator, query, sender.timeout);
        let rows = match asked.await {
            Ok(rows) => rows,
            Err(fault) if fault.is(UNAUTHORIZED) => return Ok(Vec::new()),
            Err(fault) => return Err(fault.error()),
        };
        let pair = |row: crate::backend::cassandra::query::Cells<'_>| {
            let keyspace = row.text("logged_keyspace").unwrap_or_default();
            Some((keyspace.to_string(), row.text("query_string")?.to_string()))
        };
        Ok(rows.iter().filter_map(pair).collect())
    }

    /// Whether a table has no row.
    ///
    /// # Errors
    /// The replicas do not answer.
    pub async fn is_empty(&self, table: &str, column: &str) -> Result<bool> {
        let query = format!(
            "SELECT {} FROM {}.{} LIMIT 1",
            identifier(column),
            identifier(self.keyspace()),
            identifier(table)
        );
        let rows = self.sender.read(&query).await.map_err(Fault::error)?;
        Ok(rows.first().is_none())
    }

    /// What is noted of imports into this keyspace, oldest first.
    ///
    /// # Errors
    /// The replicas do not answer.
    pub async fn imports(&self) -> Result<Vec<Value>> {
        let query = format!(
            "SELECT kind, detail FROM {} WHERE incarnation = {}",
            self.recorder.names.journal, self.recorder.incarnation
        );
        let rows = self.working().await.settled(&query, How::default()).await;
        let rows = rows.map_err(Fault::error)?;
        let ours = rows.iter().filter(|row| row.text("kind") == Some(IMPORT));
        let details = ours.filter_map(|row| serde_json::from_str(row.text("detail")?).ok());
        Ok(details.collect())
    }

    /// Notes something of an import, through another member where the coordinator has died meanwhile. A line that comes
    /// twice says nothing new. `hitches` is told of what makes it be noted again.
    ///
    /// # Errors
    /// The replicas do not answer.
    pub async fn note_import(&self, detail: &Value, hitches: &Hitches<'_>) -> Result<()> {
        let line = Line {
            kind: IMPORT,
            detail: Some(detail.to_string()),
            ..Line::default()
        };
        let run = self.options.run.to_string();
        let mut patience = Patience::new();
        loop {
            let sender = self.working().await;
            let lines = std::slice::from_ref(&line);
            let error = match journal::write(&sender, &self.recorder, &run, lines).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.options.stop.check()?;
            if patience.is_over() {
                return Err(error);
            }
            hitches.met(
                "noting how far the import is",
                &error.message,
                patience.until(),
            );
            patience.pause().await;
        }
    }

    /// The coordinator's clock, in microseconds since 1970.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn now(&self) -> Result<i64> {
        clocks::clock(&self.sender).await
    }

    /// How rows are written to this keyspace. `hitches` is told of what makes a request be sent again.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn way<'a>(
        &self,
        settings: &BTreeMap<String, String>,
        limits: Limits,
        hitches: &'a Hitches<'a>,
    ) -> Result<Way<'a>> {
        let told = self.now().await? / 1_000;
        Ok(Way {
            session: self.sender.session.clone(),
            sender: self.sender.clone(),
            keyspace: self.keyspace().to_string(),
            consistency: self.sender.consistency,
            clock: Clock {
                told,
                at: machine::since_boot(),
            },
            // Half of a segment is the largest mutation (traps C17); what the server adds to the values is the other half.
            request_bytes: REQUEST_BYTES.min(mutation_max(settings) / 2),
            in_flight: limits.at_once,
            room: room(),
            throttle: Arc::new(Throttle::new(limits)),
            quiet: write_timeout(settings),
            hitches,
            stop: self.stop(),
        })
    }

    /// What the role lacks to write to some tables and to look at them, as statements; nothing where nobody is kept from
    /// anything.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn ungranted(&self, tables: &[&String]) -> Result<Vec<String>> {
        let Some(role) = &self.options.role else {
            return Ok(Vec::new());
        };
        let (sender, keyspace) = (self.working().await, self.keyspace());
        let mut grants = Vec::new();
        for right in ["SELECT", "MODIFY"] {
            let lacking = rights::lacking_on(&sender, role, keyspace, right, tables.to_vec());
            grants.extend(lacking.await?.iter().map(|table| {
                format!(
                    "GRANT {right} ON TABLE {}.{} TO {};",
                    identifier(keyspace),
                    identifier(table),
                    identifier(role)
                )
            }));
        }
        Ok(grants)
    }

    /// Refuses to begin where the role may not write to all of the tables.
    ///
    /// # Errors
    /// It may not, or the server does not answer.
    pub async fn may_write(&self, tables: &[&String]) -> Result<()> {
        let role = self.options.role.as_deref().unwrap_or_default();
        match self.ungranted(tables).await?.as_slice() {
            [] => Ok(()),
            grants => Err(rights::refusal(role, "an import", grants)),
        }
    }

    /// What roles may do with another keyspace of this cluster and not with this one, as statements. Where nobody is kept
    /// from anything there is nothing.
    ///
    /// # Errors
    /// The replicas do not answer.
    pub async fn grants_of(&self, other: &str) -> Result<Vec<String>> {
        let query = "SELECT role, resource, permissions FROM system_auth.role_permissions";
        let sender = self.working().await;
        let rows = match sender.read(query).await {
            Ok(rows) => rows,
            Err(fault) if fault.is(UNAUTHORIZED) => return Ok(Vec::new()),
            Err(fault) => return Err(fault.error()),
        };
        let held = rows.iter().flat_map(|row| {
            let text = |name| row.text(name).unwrap_or_default().to_string();
            let (role, resource) = (text("role"), text("resource"));
            let permissions = row.texts("permissions").into_iter();
            permissions.map(move |permission| Right {
                role: role.clone(),
                resource: resource.clone(),
                permission,
            })
        });
        let schema = schema::of(&sender, sender.coordinator, self.keyspace(), &[]).await?;
        let tables = schema.tables.keys().cloned().collect();
        Ok(carried(
            &held.collect::<Vec<_>>(),
            other,
            self.keyspace(),
            &tables,
        ))
    }

    /// Gives a right.
    ///
    /// # Errors
    /// The role may not.
    pub async fn grant(&self, statement: &str) -> Result<()> {
        let sender = self.working().await;
        sender.read(statement).await.map_err(Fault::error)?;
        Ok(())
    }

    /// The level at which rows are written, as the server spells it.
    pub fn level(&self) -> String {
        let level = format!("{:?}", self.sender.consistency);
        let mut spelled = String::new();
        for (at, letter) in level.chars().enumerate() {
            if at > 0 && letter.is_ascii_uppercase() {
                spelled.push('_');
            }
            spelled.push(letter.to_ascii_uppercase());
        }
        spelled
    }
}

/// A permission of a role on a resource, as `system_auth.role_permissions` has it: `data/keyspace/table`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    role: String,
    resource: String,
    permission: String,
}

/// Rights on one keyspace that are wanted on another, as statements; on tables only where both have one of that name.
fn carried(held: &[Right], from: &str, to: &str, tables: &BTreeSet<String>) -> Vec<String> {
    let mut statements = Vec::new();
    for right in held {
        let mut words = right.resource.splitn(3, '/');
        let (root, keyspace, table) = (words.next(), words.next(), words.next());
        if root != Some("data") || keyspace != Some(from) {
            continue;
        }
        let resource = match table {
            None => format!("data/{to}"),
            Some(table) if tables.contains(table) => format!("data/{to}/{table}"),
            Some(_) => continue,
        };
        let there = held.iter().any(|other| {
            other.role == right.role
                && other.permission == right.permission
                && other.resource == resource
        });
        if there {
            continue;
        }
        let on = match table {
            None => format!("KEYSPACE {}", identifier(to)),
            Some(table) => format!("TABLE {}.{}", identifier(to), identifier(table)),
        };
        statements.push(format!(
            "GRANT {} ON {on} TO {}",
            right.permission,
            identifier(&right.role)
        ));
    }
    statements.sort();
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_follow_to_the_new_keyspace() {
        let right = |role: &str, resource: &str, permission: &str| Right {
            role: role.into(),
            resource: resource.into(),
            permission: permission.into(),
        };
        let held = [
            right("app", "data/old", "SELECT"),
            right("app", "data/old", "MODIFY"),
            right("app", "data/new", "SELECT"),
            right("report", "data/old/users", "SELECT"),
            right("report", "data/old/gone", "SELECT"),
            right("app", "data/older", "DROP"),
            right("app", "roles", "CREATE"),
        ];
        assert_eq!(
            carried(&held, "old", "new", &["users".to_string()].into()),
            [
                "GRANT MODIFY ON KEYSPACE \"new\" TO \"app\"",
                "GRANT SELECT ON TABLE \"new\".\"users\" TO \"report\"",
            ]
        );
    }
}
