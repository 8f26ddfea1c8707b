//! What is to be known of a keyspace before its first row is read.

use super::super::fault::{Fault, INVALID, UNAUTHORIZED};
use super::super::names::{identifier, literal};
use super::super::query::Cells;
use super::super::rights;
use super::super::schema;
use super::Source;
use super::ranges::Ring;
use crate::cql::schema::Schema;
use crate::error::{Error, Result};
use crate::settings::duration;
use scylla::value::CqlValue;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// The server's default of `permissions_validity`.
const PERMISSIONS_LAST: Duration = Duration::from_secs(2);

/// A keyspace and its cluster.
#[derive(Debug, Clone)]
pub struct Look {
    /// The cluster's name.
    pub cluster: String,
    /// The partitioner's class.
    pub partitioner: String,
    /// Versions of the servers, each once, the oldest first.
    pub versions: Vec<String>,
    /// Major and minor number of the oldest.
    pub oldest: (u32, u32),
    /// The schema's version.
    pub schema_version: Uuid,
    /// The coordinator's clock, milliseconds since 1970.
    pub now: i64,
    /// The keyspace, without kmig's own tables.
    pub schema: Schema,
    /// Every object, as the server writes the statement that makes it.
    pub described: Vec<Described>,
    /// Columns that are shown masked to who may not see them, as table and column.
    pub masked: BTreeSet<(String, String)>,
    /// Bytes of each table, about.
    pub bytes: BTreeMap<String, u64>,
    /// Tables that the role may not read.
    pub unreadable: Vec<String>,
    /// Tables with masked columns that the role sees masked.
    pub masked_to_role: Vec<String>,
    /// Who owns which tokens.
    pub ring: Ring,
    /// The members of the datacenter of the coordinator, itself first.
    pub members: Vec<Uuid>,
}

/// An object, as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// `keyspace`, `type`, `table`, `index`, `materialized_view`, `function`, `aggregate`.
    pub kind: String,
    /// Its name as CQL writes it.
    pub name: String,
    /// The statement.
    pub text: String,
}

/// A member of the ring.
struct Member {
    id: Uuid,
    datacenter: String,
    version: String,
    tokens: Vec<i64>,
}

impl Source {
    /// Looks at the keyspace and its cluster.
    ///
    /// # Errors
    /// The keyspace is not there, or a member does not answer.
    pub async fn look(&self) -> Result<Look> {
        let sender = &self.sender;
        let home = sender.coordinator;
        let name = literal(&self.keyspace);
        let there = format!(
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = {name}"
        );
        let there = sender
            .ask_member(home, &there, self.timeout)
            .await
            .map_err(Fault::error)?;
        if there.first().is_none() {
            return Err(
                Error::failed(format!("there is no keyspace {}", self.keyspace))
                    .next("name the keyspace in the url, with capitals as the cluster writes them"),
            );
        }
        let local = "SELECT cluster_name, partitioner, schema_version, toUnixTimestamp(now()) AS now FROM system.local";
        let local = sender
            .ask_member(home, local, self.timeout)
            .await
            .map_err(Fault::error)?;
        let local = local.first();
        let text = |name: &str| {
            local
                .as_ref()
                .and_then(|row| row.text(name))
                .unwrap_or_default()
                .to_string()
        };
        let members = self.members().await?;
        let schema = self.without_own(schema::of(sender, home, &self.keyspace, &[]).await?);
        let masked = self.masked().await?;
        let mut versions: Vec<String> = members
            .iter()
            .map(|member| member.version.clone())
            .collect();
        versions.sort_by_key(|version| number(version));
        versions.dedup();
        let own = members.first().map(|member| member.datacenter.clone());
        let near = members
            .iter()
            .filter(|member| Some(&member.datacenter) == own.as_ref());
        let tables: Vec<&String> = schema.tables.keys().collect();
        let unreadable = self.lacking("SELECT", tables).await?;
        let masked_to_role = self.masked_to_role(&masked).await?;
        Ok(Look {
            cluster: text("cluster_name"),
            partitioner: text("partitioner"),
            oldest: versions
                .first()
                .map(|version| number(version))
                .unwrap_or_default(),
            versions,
            schema_version: local
                .as_ref()
                .and_then(|row| row.uuid("schema_version"))
                .unwrap_or_default(),
            now: local
                .as_ref()
                .and_then(|row| row.number("now"))
                .unwrap_or_default(),
            described: self.described().await?,
            masked,
            bytes: self.bytes(&members).await,
            unreadable,
            masked_to_role,
            ring: Ring::new(
                members
                    .iter()
                    .flat_map(|member| member.tokens.iter().map(|token| (*token, member.id)))
                    .collect(),
            ),
            members: near.map(|member| member.id).collect(),
            schema,
        })
    }

    /// The schema of the keyspace, as the first of some members that answers has it now.
    ///
    /// # Errors
    /// None answers.
    pub async fn schema(&self, members: &[Uuid]) -> Result<Schema> {
        let mut last = Error::failed("no member can be asked for the schema");
        for member in members {
            match schema::of(&self.sender, *member, &self.keyspace, &[]).await {
                Ok(schema) => return Ok(self.without_own(schema)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn without_own(&self, mut schema: Schema) -> Schema {
        for own in &self.own {
            schema.tables.remove(own);
        }
        schema
    }

    /// The version of the cluster's schema, as the first of some members that answers has it now.
    ///
    /// # Errors
    /// None answers.
    pub async fn schema_version(&self, members: &[Uuid]) -> Result<Uuid> {
        let query = "SELECT schema_version FROM system.local";
        let version = |row: Cells<'_>| row.uuid("schema_version");
        self.first_told(
            members,
            query,
            version,
            "system.local tells no schema version",
        )
        .await
    }

    /// The clock of the first of some members that answers, in milliseconds since 1970.
    ///
    /// # Errors
    /// None answers.
    pub async fn clock(&self, members: &[Uuid]) -> Result<i64> {
        let query = "SELECT toUnixTimestamp(now()) AS now FROM system.local";
        let now = |row: Cells<'_>| row.number("now");
        self.first_told(members, query, now, "system.local tells no time")
            .await
    }

    /// What the first of some members that answers tells; `otherwise` is said where none tells it.
    async fn first_told<T>(
        &self,
        members: &[Uuid],
        query: &str,
        told: impl Fn(Cells<'_>) -> Option<T>,
        otherwise: &str,
    ) -> Result<T> {
        let mut last = Error::failed(otherwise);
        for member in members {
            match self.sender.ask_member(*member, query, self.timeout).await {
                Ok(rows) => {
                    if let Some(told) = rows.first().and_then(&told) {
                        return Ok(told);
                    }
                }
                Err(fault) => last = fault.error(),
            }
        }
        Err(last)
    }

    /// Tables on which the role lacks a permission.
    async fn lacking(&self, permission: &str, tables: Vec<&String>) -> Result<Vec<String>> {
        match &self.role {
            Some(role) => {
                rights::lacking_on(&self.sender, role, &self.keyspace, permission, tables).await
            }
            None => Ok(Vec::new()),
        }
    }

    async fn masked_to_role(&self, masked: &BTreeSet<(String, String)>) -> Result<Vec<String>> {
        let tables: BTreeSet<&String> = masked.iter().map(|(table, _)| table).collect();
        self.lacking("UNMASK", tables.into_iter().collect()).await
    }

    /// Columns of tables that the role sees masked as of now, as `table.column`.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn hidden(&self) -> Result<Vec<String>> {
        let masked = self.masked().await?;
        let tables = self.masked_to_role(&masked).await?;
        let hidden = masked.iter().filter(|(table, _)| tables.contains(table));
        Ok(hidden
            .map(|(table, column)| format!("{table}.{column}"))
            .collect())
    }

    /// For how long nodes may go by permissions that are no longer so: a right to see what is masked counts from then on.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn permissions_last(&self) -> Result<Duration> {
        let query = "SELECT value FROM system_views.settings WHERE name = 'permissions_validity'";
        let at = self.sender.coordinator;
        let rows = self.sender.ask_member(at, query, self.timeout).await;
        let rows = match rows {
            // A role that may read no more than its tables.
            Err(fault) if fault.is(UNAUTHORIZED) => return Ok(PERMISSIONS_LAST),
            rows => rows.map_err(Fault::error)?,
        };
        let told = rows.first();
        let told = told.and_then(|row| duration::read(row.text("value")?).ok());
        Ok(told.unwrap_or(PERMISSIONS_LAST))
    }

    /// Every member, the coordinator first.
    async fn members(&self) -> Result<Vec<Member>> {
        let home = self.sender.coordinator;
        let mut members = Vec::new();
        for table in ["local", "peers_v2"] {
            let query =
                format!("SELECT host_id, data_center, release_version, tokens FROM system.{table}");
            let rows = self
                .sender
                .ask_member(home, &query, self.timeout)
                .await
                .map_err(Fault::error)?;
            for row in rows.iter() {
                let Some(id) = row.uuid("host_id") else {
                    continue;
                };
                let tokens = match row.get("tokens") {
                    Some(CqlValue::Set(tokens)) => tokens
                        .iter()
                        .filter_map(|token| token.as_text()?.parse().ok())
                        .collect(),
                    _ => Vec::new(),
                };
                let text = |name: &str| row.text(name).unwrap_or_default().to_string();
                members.push(Member {
                    id,
                    datacenter: text("data_center"),
                    version: text("release_version"),
                    tokens,
                });
            }
        }
        Ok(members)
    }

    /// What makes the keyspace again, in the order in which it can be run.
    async fn described(&self) -> Result<Vec<Described>> {
        let query = format!("DESCRIBE KEYSPACE {}", identifier(&self.keyspace));
        let at = self.sender.coordinator;
        let rows = self
            .sender
            .ask_member(at, &query, self.timeout)
            .await
            .map_err(Fault::error)?;
        let text = |value: Option<&str>| value.unwrap_or_default().to_string();
        let described = rows.iter().map(|row| Described {
            kind: text(row.text("type")),
            name: text(row.text("name")),
            text: text(row.text("create_statement")),
        });
        let own: Vec<String> = self.own.to_vec();
        Ok(described
            .filter(|object| object.kind != "table" || !own.contains(&object.name))
            .collect())
    }

    /// Masked columns; servers before 5.0 have none.
    async fn masked(&self) -> Result<BTreeSet<(String, String)>> {
        let query = format!(
            "SELECT table_name, column_name FROM system_schema.column_masks WHERE keyspace_name = {}",
            literal(&self.keyspace)
        );
        let at = self.sender.coordinator;
        let rows = match self.sender.ask_member(at, &query, self.timeout).await {
            Err(fault) if fault.is(INVALID) => return Ok(BTreeSet::new()),
            rows => rows.map_err(Fault::error)?,
        };
        let pairs = rows.iter().filter_map(|row| {
            Some((
                row.text("table_name")?.to_string(),
                row.text("column_name")?.to_string(),
            ))
        });
        Ok(pairs.collect())
    }

    /// Bytes of each table, about: what every member estimates of its own primary ranges, or what the tables take on disk,
    /// whichever is more. Who does not answer tells nothing.
    async fn bytes(&self, members: &[Member]) -> BTreeMap<String, u64> {
        let mut estimated: BTreeMap<String, u64> = BTreeMap::new();
        let mut on_disk: BTreeMap<String, u64> = BTreeMap::new();
        let positive = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        for member in members {
            let query = format!(
                "SELECT table_name, mean_partition_size AS size, partitions_count AS count FROM system.size_estimates WHERE keyspace_name = {}",
                literal(&self.keyspace)
            );
            if let Ok(rows) = self
                .sender
                .ask_member(member.id, &query, self.timeout)
                .await
            {
                for row in rows.iter() {
                    let size = positive(row.number("size")).unwrap_or_default();
                    let count = positive(row.number("count")).unwrap_or_default();
                    let table = row.text("table_name").unwrap_or_default();
                    *estimated.entry(table.to_string()).or_default() += size.saturating_mul(count);
                }
            }
            let query = "SELECT keyspace_name, table_name, mebibytes FROM system_views.disk_usage";
            if let Ok(rows) = self.sender.ask_member(member.id, query, self.timeout).await {
                let own = rows.iter();
                for row in own.filter(|row| row.text("keyspace_name") == Some(&self.keyspace)) {
                    let mebibytes = positive(row.number("mebibytes")).unwrap_or_default();
                    let table = row.text("table_name").unwrap_or_default();
                    *on_disk.entry(table.to_string()).or_default() += mebibytes << 20;
                }
            }
        }
        for (table, bytes) in on_disk {
            // Replicas count it once each.
            let bytes = bytes / members.len().max(1) as u64;
            let known = estimated.entry(table).or_default();
            *known = bytes.max(*known);
        }
        estimated
    }
}

/// Major and minor number of a version.
fn number(version: &str) -> (u32, u32) {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
