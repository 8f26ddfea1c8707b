//! `[cassandra]`: the values that only a Cassandra keyspace needs. Pure.

use super::file;
use super::layers::Layers;
use super::replication::Replication;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[cassandra]`, checked.
#[derive(Debug, Clone)]
pub struct Cassandra {
    /// How a keyspace that is not there yet is to be replicated; nothing where none may be made.
    pub replication: Option<Replication>,
    /// How long an executor owns the lease without renewing it; whole seconds, at least 2, since Cassandra counts TTLs
    /// in seconds.
    pub lease: Duration,
    /// The role; that of the url goes before.
    pub user: Option<String>,
    /// The role's password; that of the url goes before.
    pub password: Option<SecretString>,
    /// The file whose first line is the password, where none is given in another way.
    pub password_file: Option<PathBuf>,
    /// The datacenter whose nodes are asked first, and that `LOCAL_…` levels count in.
    pub local_datacenter: Option<String>,
    /// At which level kmig reads and writes.
    pub consistency: Level,
    /// At which level conditional writes are decided.
    pub serial_consistency: SerialLevel,
    /// How to encrypt; nothing for a plain connection.
    pub tls: Option<Tls>,
    /// How long the agreement of every member on the schema is awaited after each DDL.
    pub agreement: Duration,
    /// How long connecting may take in all.
    pub connect_timeout: Duration,
    /// How long the answer to a request is awaited.
    pub request_timeout: Duration,
}

/// Levels at which what one executor wrote is seen by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// More than half of all replicas.
    Quorum,
    /// More than half of the replicas of the local datacenter.
    LocalQuorum,
    /// Every replica.
    All,
}

/// Levels at which a conditional write is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialLevel {
    /// Among all replicas.
    Serial,
    /// Among those of the local datacenter: executors elsewhere decide for themselves.
    LocalSerial,
}

/// What TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificates that are trusted, PEM; the system's where none is named.
    pub ca: Option<PathBuf>,
    /// kmig's own certificate, PEM.
    pub cert: Option<PathBuf>,
    /// The key of `cert`, PEM or DER.
    pub key: Option<PathBuf>,
    /// How much of a node's certificate counts.
    pub verify: Verify,
}

/// How much of a node's certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Who signed it, when it is valid, and that it names the node.
    Full,
    /// Who signed it, and when it is valid.
    Ca,
    /// Nothing: the channel is secret, the peer anybody.
    None,
}

/// The values as texts, written down by [`Layers`] but not checked yet.
pub(super) struct Raw {
    replication: Option<String>,
    lease: Option<String>,
    user: Option<String>,
    password: Option<SecretString>,
    password_file: Option<String>,
    local_datacenter: Option<String>,
    consistency: Option<String>,
    serial_consistency: Option<String>,
    tls: Option<String>,
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    verify: Option<String>,
    agreement: Option<String>,
    connect_timeout: Option<String>,
    request_timeout: Option<String>,
}

impl Raw {
    /// Environment over file over default, value by value.
    pub(super) fn read(layers: &mut Layers<'_>, values: file::Cassandra) -> Raw {
        let mut text = |key: &str, file: Option<String>, default: Option<&str>| {
            layers.text(&format!("cassandra.{key}"), None, file, default)
        };
        let (switch, tls) = match values.tls {
            None => (None, file::Tls::default()),
            Some(file::TlsChoice::Switch(on)) => (Some(on.to_string()), file::Tls::default()),
            Some(file::TlsChoice::Table(tls)) => (Some("true".to_string()), tls),
        };
        Raw {
            replication: text(
                "replication",
                values.replication.map(|choice| match choice {
                    file::ReplicationChoice::Table(table) => super::replication::shown(&table),
                    file::ReplicationChoice::Text(text) => text,
                }),
                None,
            ),
            lease: text("lease", values.lease, Some("15s")),
            user: text("user", values.user, None),
            password_file: text("password_file", values.password_file, None),
            local_datacenter: text("local_datacenter", values.local_datacenter, None),
            consistency: text("consistency", values.consistency, Some("QUORUM")),
            serial_consistency: text(
                "serial_consistency",
                values.serial_consistency,
                Some("SERIAL"),
            ),
            tls: text("tls", switch, None),
            ca: text("tls.ca", tls.ca, None),
            cert: text("tls.cert", tls.cert, None),
            key: text("tls.key", tls.key, None),
            verify: text("tls.verify", tls.verify, None),
            agreement: text("agreement", values.agreement, Some("90s")),
            connect_timeout: text("connect_timeout", values.connect_timeout, Some("10s")),
            request_timeout: text("request_timeout", values.request_timeout, Some("30s")),
            password: layers.secret("cassandra.password"),
        }
    }

    /// Checks them. Paths start at `root`.
    ///
    /// # Errors
    /// The key of the value that does not fit, and why.
    pub(super) fn check(self, root: &Path) -> Result<Cassandra, (&'static str, String)> {
        let time = |key: &'static str, text: Option<String>| {
            let time = super::duration::read(text.as_deref().unwrap_or_default())
                .map_err(|why| (key, why))?;
            if time.is_zero() {
                return Err((key, "it must be longer than 0".to_string()));
            }
            Ok(time)
        };
        let lease = time("cassandra.lease", self.lease)?;
        if lease.subsec_nanos() != 0 || lease.as_secs() < 2 {
            return Err((
                "cassandra.lease",
                "a lease is whole seconds, at least 2s: Cassandra counts times to live in seconds"
                    .to_string(),
            ));
        }
        let consistency = level(self.consistency.as_deref().unwrap_or_default())
            .map_err(|why| ("cassandra.consistency", why))?;
        let serial_consistency = serial(self.serial_consistency.as_deref().unwrap_or_default())
            .map_err(|why| ("cassandra.serial_consistency", why))?;
        if self.local_datacenter.is_none() {
            for (key, local) in [
                ("cassandra.consistency", consistency == Level::LocalQuorum),
                (
                    "cassandra.serial_consistency",
                    serial_consistency == SerialLevel::LocalSerial,
                ),
            ] {
                if local {
                    return Err((
                        key,
                        "a LOCAL_ level counts in one datacenter, the same for every executor: name it with local_datacenter"
                            .to_string(),
                    ));
                }
            }
        }
        let path = |text: Option<String>| text.map(|text| root.join(text));
        let tls = Tls {
            verify: verify(self.verify.as_deref())?,
            ca: path(self.ca),
            cert: path(self.cert),
            key: path(self.key),
        };
        let named =
            self.verify.is_some() || tls.ca.is_some() || tls.cert.is_some() || tls.key.is_some();
        if tls.cert.is_some() != tls.key.is_some() {
            return Err((
                if tls.cert.is_some() {
                    "cassandra.tls.cert"
                } else {
                    "cassandra.tls.key"
                },
                "cert and key go together: one of them is missing".to_string(),
            ));
        }
        let encrypt = match self.tls.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => named,
            Some("true" | "on" | "1") => true,
            Some("false" | "off" | "0") => false,
            Some(other) => {
                return Err((
                    "cassandra.tls",
                    format!(
                        "{other:?} is neither true nor false; the files go into tls = {{ ca = \"…\" }}"
                    ),
                ));
            }
        };
        Ok(Cassandra {
            replication: self
                .replication
                .map(|text| Replication::read(&text))
                .transpose()
                .map_err(|why| ("cassandra.replication", why))?,
            lease,
            user: self.user,
            password: self.password,
            password_file: path(self.password_file),
            local_datacenter: self.local_datacenter,
            consistency,
            serial_consistency,
            tls: encrypt.then_some(tls),
            agreement: time("cassandra.agreement", self.agreement)?,
            connect_timeout: time("cassandra.connect_timeout", self.connect_timeout)?,
            request_timeout: time("cassandra.request_timeout", self.request_timeout)?,
        })
    }
}

fn level(text: &str) -> Result<Level, String> {
    match text.to_ascii_uppercase().as_str() {
        "QUORUM" => Ok(Level::Quorum),
        "LOCAL_QUORUM" => Ok(Level::LocalQuorum),
        "ALL" => Ok(Level::All),
        "ANY" | "ONE" | "LOCAL_ONE" | "TWO" | "THREE" => Err(format!(
            "at {text} a read may miss what another executor has recorded; write QUORUM, LOCAL_QUORUM or ALL"
        )),
        "SERIAL" | "LOCAL_SERIAL" => Err(format!(
            "{text} belongs to serial_consistency; write QUORUM, LOCAL_QUORUM or ALL"
        )),
        _ => Err(format!(
            "{text:?} is no level that kmig uses; write QUORUM, LOCAL_QUORUM or ALL"
        )),
    }
}

fn serial(text: &str) -> Result<SerialLevel, String> {
    match text.to_ascii_uppercase().as_str() {
        "SERIAL" => Ok(SerialLevel::Serial),
        "LOCAL_SERIAL" => Ok(SerialLevel::LocalSerial),
        _ => Err(format!(
            "{text:?} is no serial level; write SERIAL or LOCAL_SERIAL"
        )),
    }
}

fn verify(text: Option<&str>) -> Result<Verify, (&'static str, String)> {
    match text {
        None | Some("full") => Ok(Verify::Full),
        Some("ca") => Ok(Verify::Ca),
        Some("none") => Ok(Verify::None),
        Some(other) => Err((
            "cassandra.tls.verify",
            format!("{other:?} is unknown; write full, ca or none"),
        )),
    }
}
