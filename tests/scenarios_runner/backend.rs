//! What differs from backend to backend: where a database comes from, how it is asked, and what its schema is.

use serde::Deserialize;

use crate::support::cassandra::{self, Cluster, Version};
use crate::support::server::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    Postgres,
    Cassandra,
    /// The oldest release of Cassandra that the suite knows.
    #[serde(rename = "cassandra_41")]
    Cassandra41,
}

/// What system_schema tells of a keyspace, query by query. Left out are ids and times, and the columns that were dropped once:
/// a keyspace that was upgraded remembers more of them than one that was bootstrapped, and has the same schema.
const SCHEMA: &[&str] = &[
    "select json table_name, flags, comment, default_time_to_live, gc_grace_seconds, caching, cdc, compaction, compression, \
     crc_check_chance, bloom_filter_fp_chance, max_index_interval, min_index_interval, memtable_flush_period_in_ms, \
     speculative_retry, additional_write_policy from system_schema.tables",
    "select json table_name, column_name, kind, position, clustering_order, type from system_schema.columns",
    "select json table_name, index_name, kind, options from system_schema.indexes",
    "select json table_name, trigger_name, options from system_schema.triggers",
    "select json view_name, base_table_name, where_clause, include_all_columns, default_time_to_live, gc_grace_seconds, \
     compaction, compression from system_schema.views",
    "select json type_name, field_names, field_types from system_schema.types",
    "select json function_name, argument_names, argument_types, return_type, called_on_null_input, language, body \
     from system_schema.functions",
    "select json aggregate_name, argument_types, state_func, state_type, final_func, initcond, return_type \
     from system_schema.aggregates",
];

impl Backend {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Cassandra => "cassandra",
            Self::Cassandra41 => "cassandra_41",
        }
    }

    /// The one whose steps and files it shares: a case is the same on each release.
    pub fn kind(self) -> Self {
        match self {
            Self::Cassandra41 => Self::Cassandra,
            other => other,
        }
    }

    /// The release of a Cassandra.
    fn version(self) -> Option<Version> {
        match self {
            Self::Postgres => None,
            Self::Cassandra => Some(Version::V5_0),
            Self::Cassandra41 => Some(Version::V4_1),
        }
    }

    /// The node that all cases share; none for Postgres.
    pub fn cluster(self) -> Option<&'static Cluster> {
        self.version().map(cassandra::shared_in)
    }

    /// The ending of its parts.
    pub fn ext(self) -> &'static str {
        match self.kind() {
            Self::Postgres => "sql",
            _ => "cql",
        }
    }

    pub fn available(self) -> bool {
        self.version()
            .map_or_else(Server::available, cassandra::available_in)
    }

    /// An empty database, or an empty keyspace.
    pub fn database(self) -> String {
        match self.cluster() {
            None => Server::shared().database(),
            Some(cluster) => {
                let keyspace = cluster.keyspace();
                let made = cluster.cql(
                    "system",
                    &format!(
                        "create keyspace {keyspace} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
                    ),
                );
                made.expect("make a keyspace");
                keyspace
            }
        }
    }

    pub fn url(self, database: &str) -> String {
        match self.cluster() {
            None => Server::shared().url(database),
            Some(cluster) => cluster.url(database),
        }
    }

    /// Settings that every kmig of a case gets.
    pub fn env(self) -> &'static [(&'static str, &'static str)] {
        match self.kind() {
            Self::Postgres => &[],
            // Whoever comes after a killed kmig waits so long. All cases share a node, whose clients a gate sees: those that
            // are no application's announce `harness`, and the others a name of their own case.
            _ => &[
                ("KMIG_CASSANDRA_LEASE", "5s"),
                ("KMIG_GATE_IGNORE", "harness,test_*"),
            ],
        }
    }

    /// Runs statements; the rows come back with `|` between columns.
    pub fn ask(self, database: &str, text: &str) -> Result<String, String> {
        match self.cluster() {
            None => Server::shared().try_psql(database, text),
            Some(cluster) => cluster
                .cql(database, text)
                .map(|rows| rows.trim_end().to_owned()),
        }
    }

    /// Whether a table, view or index of this name is there, or a column `table.column`.
    pub fn is_there(self, database: &str, name: &str) -> Result<bool, String> {
        match self.kind() {
            Self::Postgres => {
                let sql = match name.split_once('.') {
                    Some((table, column)) => format!(
                        "select exists (select from pg_attribute where attrelid = to_regclass('{table}') and attname = '{column}' and not attisdropped)"
                    ),
                    None => format!("select to_regclass('{name}') is not null"),
                };
                Ok(self.ask(database, &sql)? == "t")
            }
            _ => {
                let keyspace = format!("keyspace_name = '{database}'");
                if let Some((table, column)) = name.split_once('.') {
                    let cql = format!(
                        "select column_name from system_schema.columns where {keyspace} and table_name = '{table}' and column_name = '{column}'"
                    );
                    return Ok(!self.ask(database, &cql)?.is_empty());
                }
                for (table, column) in [
                    ("tables", "table_name"),
                    ("views", "view_name"),
                    ("indexes", "index_name"),
                ] {
                    let cql =
                        format!("select {column} from system_schema.{table} where {keyspace}");
                    if self.ask(database, &cql)?.lines().any(|line| line == name) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// The schema as text that is equal where the schemas are; on Cassandra with kmig's own tables.
    pub fn schema(self, database: &str) -> Result<String, String> {
        match self.kind() {
            Self::Postgres => Ok(Server::shared().schema(database)),
            _ => {
                let mut lines = Vec::new();
                for query in SCHEMA {
                    let cql = format!("{query} where keyspace_name = '{database}'");
                    let rows = self.ask(database, &cql)?;
                    lines.extend(
                        rows.lines()
                            .map(|line| without_uuids(line).replace(&format!("{database}."), "")),
                    );
                }
                Ok(lines.join("\n"))
            }
        }
    }
}

/// With each uuid masked: the comment of kmig's own table holds one that is new in each keyspace.
fn without_uuids(line: &str) -> String {
    line.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .map(|word| {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != '-');
            let lengths: Vec<usize> = bare.split('-').map(str::len).collect();
            match lengths == [8, 4, 4, 4, 12] {
                true => word.replace(bare, "[uuid]"),
                false => word.to_owned(),
            }
        })
        .collect()
}
