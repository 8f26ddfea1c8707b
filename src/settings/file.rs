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
    #[serde(rename = "cassandra")]
    _cassandra: Cassandra,
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

/// `[cassandra]`: accepted with the keys of the contract, so that one file serves both engines.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cassandra {
    #[serde(rename = "replication")]
    _replication: Option<BTreeMap<String, toml::Value>>,
    #[serde(rename = "lease")]
    _lease: Option<String>,
    #[serde(rename = "user")]
    _user: Option<String>,
    #[serde(rename = "password_file")]
    _password_file: Option<String>,
    #[serde(rename = "local_datacenter")]
    _local_datacenter: Option<String>,
    #[serde(rename = "consistency")]
    _consistency: Option<String>,
    #[serde(rename = "tls")]
    _tls: Option<BTreeMap<String, toml::Value>>,
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
