//! kmig.toml as it is written. Pure. Unknown keys are errors at their place.

use super::in_file;
use crate::error::Error;
use crate::place::{Place, SourceFile, Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub url: Option<String>,
    pub migrations: Option<String>,
    pub backups: Option<String>,
    pub table: Option<String>,
    pub schema: Option<String>,
    pub app: App,
    pub subsystem: BTreeMap<String, Subsystem>,
    pub gate: Gate,
    pub postgres: Postgres,
    pub cassandra: Cassandra,
    pub source: Source,
}

/// `[app]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct App {
    pub name: Option<String>,
    pub version: Option<String>,
    pub upgrade_from: Option<String>,
}

/// `[subsystem.x]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subsystem {
    pub depends_on: Vec<String>,
}

/// `[gate]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    pub ignore: Option<Vec<String>>,
    pub window: Option<String>,
    pub poolers: Option<Vec<String>>,
    pub replicas: Option<Replicas>,
    pub old_roles: Option<Vec<String>>,
    pub revoke_connect: Option<bool>,
}

/// `replicas`: urls, or the word `no-readers`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Replicas {
    Word(String),
    Urls(Vec<String>),
}

impl Replicas {
    /// The urls, or the word as the only entry.
    pub fn list(self) -> Vec<String> {
        match self {
            Replicas::Word(word) => vec![word],
            Replicas::Urls(urls) => urls,
        }
    }
}

/// `[postgres]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    pub lock_timeout: Option<String>,
    pub ddl_deadline: Option<String>,
    pub old_transaction: Option<String>,
    pub reconnect: Option<String>,
}

/// `[cassandra]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cassandra {
    pub replication: Option<ReplicationChoice>,
    pub lease: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<String>,
    pub local_datacenter: Option<String>,
    pub consistency: Option<String>,
    pub serial_consistency: Option<String>,
    pub tls: Option<TlsChoice>,
    pub agreement: Option<String>,
    pub connect_timeout: Option<String>,
    pub request_timeout: Option<String>,
}

/// `cassandra.replication`: a table, or a map of CQL as `DESCRIBE KEYSPACE` shows it.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a table, { class = \"NetworkTopologyStrategy\", dc1 = 3 }, or the text of a CQL map"
)]
pub enum ReplicationChoice {
    Table(BTreeMap<String, toml::Value>),
    Text(String),
}

/// `[source]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    pub local_datacenter: Option<String>,
}

/// `tls`: yes or no, or what it needs.
#[derive(Debug)]
pub enum TlsChoice {
    Switch(bool),
    Table(Tls),
}

impl<'de> Deserialize<'de> for TlsChoice {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // Not an untagged enum: that would hide which key of the table is unknown.
        match toml::Value::deserialize(input)? {
            toml::Value::Boolean(on) => Ok(TlsChoice::Switch(on)),
            table => table
                .try_into()
                .map(TlsChoice::Table)
                .map_err(serde::de::Error::custom),
        }
    }
}

/// `tls = { … }`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub ca: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub verify: Option<String>,
}

/// Parses the text of kmig.toml.
pub fn parse(source: &SourceFile) -> Result<File, Error> {
    toml::from_str(&source.text)
        .map_err(|error| in_file(source, error.span(), error.message().trim()))
}

/// Where the value of a key, `app.version`, stands in a text that [`parse`] has read.
pub fn place(source: &SourceFile, key: &str) -> Option<Place> {
    let mut table = DeTable::parse(&source.text).ok()?.into_inner();
    let mut words = key.split('.').peekable();
    while let Some(word) = words.next() {
        let value = table.remove(word)?;
        if words.peek().is_none() {
            let span = value.span();
            return Some(Place::span(source, Span::new(span.start, span.end)));
        }
        match value.into_inner() {
            DeValue::Table(inner) => table = inner,
            _ => return None,
        }
    }
    None
}
