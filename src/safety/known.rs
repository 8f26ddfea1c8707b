//! What is known of the database that statements are for. Everything is optional: offline nothing is known, and then the
//! judge assumes what is worse.

use std::collections::{BTreeMap, BTreeSet};

/// Facts of a database, read beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The server's major version: 15 of Postgres 15.18, 5 of Cassandra 5.0.9.
    pub version: Option<u32>,
    /// The schema or keyspace that names without one belong to.
    pub schema: Option<String>,
    /// Live facts of relations, by schema and name.
    pub relations: BTreeMap<(String, String), Relation>,
    /// Functions that are there, by schema and name; `None` where nobody looked.
    pub functions: Option<BTreeSet<(String, String)>>,
    /// Domains with a NOT NULL or CHECK, by schema and name.
    pub checked_domains: BTreeSet<(String, String)>,
    /// Texts of queries that were seen, of pg_stat_statements.
    pub queries: Vec<String>,
}

/// What is known of one relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relation {
    /// Estimated number of rows; `None` where it was never analyzed.
    pub rows: Option<u64>,
    /// Size on disk in bytes, with indexes.
    pub bytes: u64,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// Whether row level security is in force.
    pub row_security: bool,
    /// The columns with their types as format_type writes them.
    pub columns: BTreeMap<String, String>,
    /// What depends on it: views, functions, policies, foreign keys of other tables, as pg_describe_object tells.
    pub dependants: Vec<String>,
}

impl Known {
    /// A relation; a name without a schema is one of the default schema.
    pub fn relation(&self, schema: Option<&str>, name: &str) -> Option<&Relation> {
        let schema = schema.or(self.schema.as_deref())?;
        self.relations.get(&(schema.to_string(), name.to_string()))
    }
}
