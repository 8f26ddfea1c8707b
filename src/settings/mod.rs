//! The effective configuration: flag over environment over kmig.toml over default, each value with its origin.

mod cassandra;
pub mod duration;
mod file;
mod gate;
mod layers;
mod replication;
mod source;

pub use cassandra::{Cassandra, Level, SerialLevel, Tls, Verify};
pub use gate::{Gate, Replicas};
pub use replication::Replication;
pub use source::Source;

use crate::error::{Diagnostic, Error, Exit, Result, reason};
use crate::place::{Place, SourceFile, Span};
use crate::plan::App;
use crate::plan::version::Version;
use crate::source::Dialect;
use layers::Layers;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the configuration file.
pub const FILE: &str = "kmig.toml";

/// What the command line sets.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--url`.
    pub url: Option<String>,
    /// `--lock-timeout`.
    pub lock_timeout: Option<String>,
    /// `--ddl-deadline`.
    pub ddl_deadline: Option<String>,
    /// `--reconnect`.
    pub reconnect: Option<String>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// An environment variable, by name.
    Environment(String),
    /// kmig.toml.
    File,
    /// kmig's own default.
    Default,
}

/// One value as `kmig config` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Its path in kmig.toml, `app.version`.
    pub key: String,
    /// The value, with passwords masked; absent where nothing is set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// The checked configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that relative paths start at.
    pub root: PathBuf,
    /// The configuration file, where there is one.
    pub config: Option<PathBuf>,
    /// The database; may hold a password, so it is never shown as it is.
    pub url: Option<secrecy::SecretString>,
    /// The migrations folder as it was configured, for messages.
    pub migrations: String,
    /// The folder of exports as it was configured.
    pub backups: String,
    /// Name of kmig's own table.
    pub table: String,
    /// Schema of kmig's own tables.
    pub schema: Option<String>,
    /// The application's name.
    pub app_name: Option<String>,
    /// The application's versions.
    pub app: App,
    /// `depends_on` of each `[subsystem.x]`.
    pub depends_on: BTreeMap<String, Vec<String>>,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a statement that did not get its lock is tried again.
    pub ddl_deadline: Duration,
    /// From which age on a transaction is waited for before a build begins.
    pub old_transaction: Duration,
    /// How long a run whose session was lost tries to connect again.
    pub reconnect: Duration,
    /// `[cassandra]`.
    pub cassandra: Cassandra,
    /// `[source]`.
    pub source: Source,
    /// `[gate]`.
    pub gate: Gate,
    /// Every value, for `kmig config`.
    pub effective: Vec<Effective>,
}

impl Settings {
    /// Reads kmig.toml, the environment and the flags, and checks them.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, an unknown key, a value that does not fit.
    pub fn load(flags: &Flags, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let (root, config, file) = read(flags, env)?;
        let values = match &file {
            Some(source) => file::parse(source)?,
            None => file::File::default(),
        };
        let mut layers = Layers::new(env);
        let url = layers.url(flags.url.clone(), values.url);
        let migrations = layers.text("migrations", None, values.migrations, Some("migrations"));
        let backups = layers.text("backups", None, values.backups, Some("backups"));
        let table = layers.text("table", None, values.table, Some("schema_meta"));
        let schema = layers.text("schema", None, values.schema, None);
        let app_name = layers.text("app.name", None, values.app.name, None);
        let version = layers.text("app.version", None, values.app.version, None);
        let upgrade_from = layers.text("app.upgrade_from", None, values.app.upgrade_from, None);
        let gate = gate::Raw::read(&mut layers, values.gate);
        let lock_timeout = layers.text(
            "postgres.lock_timeout",
            flags.lock_timeout.clone(),
            values.postgres.lock_timeout,
            Some("500ms"),
        );
        let ddl_deadline = layers.text(
            "postgres.ddl_deadline",
            flags.ddl_deadline.clone(),
            values.postgres.ddl_deadline,
            Some("5min"),
        );
        let old_transaction = layers.text(
            "postgres.old_transaction",
            None,
            values.postgres.old_transaction,
            Some("10s"),
        );
        let reconnect = layers.text(
            "postgres.reconnect",
            flags.reconnect.clone(),
            values.postgres.reconnect,
            Some("60s"),
        );
        let cassandra = cassandra::Raw::read(&mut layers, values.cassandra);
        let source = Source::read(&mut layers, values.source);
        let depends_on = values
            .subsystem
            .into_iter()
            .map(|(name, subsystem)| (name, subsystem.depends_on))
            .collect();
        let effective = layers.effective;
        let at = |key: &str, message: String| wrong(&effective, file.as_ref(), key, &message);
        let time = |key: &str, text: Option<String>| {
            duration::read(text.as_deref().unwrap_or_default()).map_err(|why| at(key, why))
        };
        let lock_timeout = time("postgres.lock_timeout", lock_timeout)?;
        if lock_timeout.is_zero() {
            // The server reads 0 as no limit: the application would queue behind kmig for as long as it takes.
            return Err(at(
                "postgres.lock_timeout",
                "it must be longer than 0".to_string(),
            ));
        }
        for (key, version) in [
            ("app.version", &version),
            ("app.upgrade_from", &upgrade_from),
        ] {
            if let Some(text) = version
                .as_ref()
                .filter(|text| Version::read(text).is_none())
            {
                let why = format!(
                    "{text:?} is no version; write dotted numbers such as 3.1 or 3.1.0-rc.2"
                );
                return Err(at(key, why));
            }
        }
        if let Some(name) = &app_name {
            announced(name).map_err(|why| at("app.name", why))?;
        }
        if let Some(schema) = &schema {
            let why = match schema {
                long if long.len() > 63 => "is longer than 63 bytes",
                odd if odd.is_empty() || odd.contains('\0') => {
                    "cannot be a schema's name: it is empty, or holds a NUL"
                }
                _ => "",
            };
            if !why.is_empty() {
                return Err(at("schema", format!("{schema:?} {why}")));
            }
        }
        let table = table.unwrap_or_default();
        if let Some(why) = crate::backend::postgres::names::Names::refuse(&table) {
            return Err(at("table", why));
        }
        let cassandra = cassandra.check(&root).map_err(|(key, why)| at(key, why))?;
        let gate = gate.check().map_err(|(key, why)| at(key, why))?;
        Ok(Settings {
            cassandra,
            source,
            gate,
            lock_timeout,
            ddl_deadline: time("postgres.ddl_deadline", ddl_deadline)?,
            old_transaction: time("postgres.old_transaction", old_transaction)?,
            reconnect: time("postgres.reconnect", reconnect)?,
            root,
            config,
            url: url.map(Into::into),
            migrations: migrations.unwrap_or_default(),
            backups: backups.unwrap_or_default(),
            table,
            schema,
            app_name,
            app: App {
                version,
                upgrade_from,
            },
            depends_on,
            effective,
        })
    }

    /// The migrations folder on this machine.
    pub fn migrations_folder(&self) -> PathBuf {
        self.root.join(&self.migrations)
    }

    /// The folder of exports on this machine.
    pub fn backups_folder(&self) -> PathBuf {
        self.root.join(&self.backups)
    }

    /// The engine that the url names; Postgres where there is none, or one that libpq would read.
    ///
    /// # Errors
    /// A scheme of no engine that kmig knows of.
    pub fn dialect(&self) -> Result<Dialect> {
        use secrecy::ExposeSecret;
        let url = self.url.as_ref().map_or("", |url| url.expose_secret());
        match url.split_once("://").map(|(scheme, _)| scheme) {
            None | Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
            Some("cassandra") => Ok(Dialect::Cassandra),
            // The text in front of `=` in a key=value string may hold anything, a password too: it is not shown.
            Some(scheme) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => Err(Error::usage(
                format!("kmig knows no databases of the scheme {scheme}://"),
            )
            .next("postgres://user@host:5432/database, or cassandra://host1,host2/keyspace")),
            Some(_) => Ok(Dialect::Postgres),
        }
    }
}

/// What is wrong with a value, by the name under which it was given; one of kmig.toml at its place.
fn wrong(effective: &[Effective], file: Option<&SourceFile>, key: &str, message: &str) -> Error {
    let origin = effective.iter().find(|value| value.key == key);
    match origin.map(|value| &value.origin) {
        Some(Origin::Environment(name)) => Error::usage(format!("{name} (for {key}): {message}")),
        Some(Origin::Flag) => {
            let flag = key.rsplit('.').next().unwrap_or(key).replace('_', "-");
            Error::usage(format!("--{flag}: {message}"))
        }
        _ => {
            let error = Error::usage(format!("{key} in {FILE}: {message}"));
            match file.and_then(|file| file::place(file, key)) {
                Some(place) => error.at(place),
                None => error,
            }
        }
    }
}

/// Clients announce `name/version` in 63 bytes of ASCII, and what is longer is cut (traps P15).
fn announced(name: &str) -> Result<(), String> {
    if !name.is_ascii() || name.contains(char::is_control) {
        Err(format!(
            "{name:?} is not plain ASCII, and the server shows every other character as ?"
        ))
    } else if name.is_empty() || name.contains([' ', '/']) {
        Err(format!(
            "{name:?} cannot be told from the version in name/version; use neither blank nor /"
        ))
    } else if name.len() > 63 - 20 {
        Err(format!(
            "{name:?} leaves less than 20 bytes for the version: the server cuts name/version at 63"
        ))
    } else {
        Ok(())
    }
}

type Found = (PathBuf, Option<PathBuf>, Option<SourceFile>);

/// The folder, the path and the text of kmig.toml.
fn read(flags: &Flags, env: &dyn Fn(&str) -> Option<String>) -> Result<Found> {
    let named = flags.config.clone().or_else(|| {
        env("KMIG_CONFIG")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    });
    let path = match &named {
        Some(path) if path.is_dir() => path.join(FILE),
        Some(path) => path.clone(),
        None => PathBuf::from(FILE),
    };
    let shown = path.display().to_string();
    match std::fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes)
                .map_err(|_| Error::usage(format!("{shown} is not UTF-8")))?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_string();
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let root = parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
            let file = SourceFile { path: shown, text };
            Ok((root, Some(path), Some(file)))
        }
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok((PathBuf::from("."), None, None))
        }
        Err(error) => Err(
            Error::usage(format!("{shown} cannot be read: {}", reason(&error)))
                .next("kmig init makes one"),
        ),
    }
}

/// A mistake in kmig.toml, at its place.
fn in_file(source: &SourceFile, span: Option<std::ops::Range<usize>>, message: &str) -> Error {
    let place = match span {
        Some(span) => Place::span(source, Span::new(span.start, span.end)),
        None => Place::file(source.path.clone()),
    };
    Error {
        diagnostics: Box::new([Diagnostic::at(place, message)]),
        ..Error::new(Exit::Usage, format!("{} cannot be used", source.path))
    }
}
