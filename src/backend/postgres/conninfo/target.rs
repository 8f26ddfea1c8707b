//! Where and how to connect, with everything decided.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

/// Everything needed to connect. `Debug` and `Display` never show a password.
#[derive(Debug, Clone)]
pub struct Target {
    /// The servers to try, in order; never empty.
    pub hosts: Vec<Host>,
    /// The role to log in as.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// The password from the connection string, the service file or `PGPASSWORD`. It beats those of the passfile,
    /// which belong to hosts.
    pub password: Option<SecretString>,
    /// TLS.
    pub ssl: Ssl,
    /// Command-line options for the server, e.g. `-c search_path=app`.
    pub options: Option<String>,
    /// The name the session announces.
    pub application_name: String,
    /// How long one address may take for TCP, TLS and login together; `None` is for ever.
    pub connect_timeout: Option<Duration>,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// How long sent data may stay unacknowledged before the connection is given up; `None` is the system's default.
    pub tcp_user_timeout: Option<Duration>,
    /// What kind of server will do.
    pub target_session_attrs: TargetSessionAttrs,
    /// Whether SCRAM must be bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// Whether hosts and addresses are tried in random order.
    pub load_balance_hosts: bool,
    /// What a person should know, e.g. that a passfile was ignored. Without passwords.
    pub warnings: Vec<String>,
}

/// One server to try.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where it is.
    pub address: Address,
    /// Its TCP port, and the number in the name of its socket.
    pub port: u16,
    /// The password that the passfile has for this host.
    pub password: Option<SecretString>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The directory of a Unix socket; `@` at its start means the abstract namespace of Linux.
    Socket(String),
    /// A name to look up, or an IP address written as a host.
    Name(String),
    /// `hostaddr`: no look-up; the name, where there is one, is what the server's certificate must carry.
    Ip {
        /// The address.
        ip: IpAddr,
        /// `host`.
        name: Option<String>,
    },
}

/// `sslmode`, from weak to strong (libpq documentation, "SSL Support", "Protection Provided in Different Modes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Plain first, TLS when the server refuses that.
    Allow,
    /// TLS first, plain when that fails.
    Prefer,
    /// TLS; the certificate is verified only if a root certificate file is there.
    Require,
    /// TLS with a certificate of a trusted authority.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

/// How TLS starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslNegotiation {
    /// After a request in the Postgres protocol.
    Postgres,
    /// At once (servers from 17).
    Direct,
}

/// A version of TLS. rustls has no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// Where trusted certificate authorities come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// `sslrootcert=system`.
    System,
    /// A PEM file. It may be absent, which the modes below `verify-ca` take for "verify nothing".
    File(PathBuf),
}

/// TLS settings. Paths are not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssl {
    /// `sslmode`.
    pub mode: SslMode,
    /// `sslnegotiation`.
    pub negotiation: SslNegotiation,
    /// `sslrootcert`; `None` when it is not set and there is no home directory.
    pub root: Option<RootCert>,
    /// Where libpq looks for a revocation list unasked. kmig cannot check one and refuses to overlook it.
    pub default_crl: Option<PathBuf>,
    /// `sslcert`; `None` sends no client certificate.
    pub cert: Option<PathBuf>,
    /// `sslkey`.
    pub key: Option<PathBuf>,
    /// Whether the host name is sent in clear at the start of TLS.
    pub sni: bool,
    /// The oldest version accepted.
    pub min_version: TlsVersion,
    /// The newest version accepted.
    pub max_version: TlsVersion,
}

/// TCP keepalives; `None` is the system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether they are sent.
    pub enabled: bool,
    /// Silence before the first one.
    pub idle: Option<Duration>,
    /// Time between two.
    pub interval: Option<Duration>,
    /// How many may be lost.
    pub count: Option<u32>,
}

impl Keepalives {
    /// How long a dead line goes unnoticed by them, where that is for kmig to say and not for the system.
    pub fn bound(&self) -> Option<Duration> {
        let (idle, interval, count) = (self.idle?, self.interval?, self.count?);
        self.enabled.then(|| idle + interval * count)
    }
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any server.
    Any,
    /// Sessions may write by default.
    ReadWrite,
    /// Sessions may not write by default.
    ReadOnly,
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

/// `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Not used.
    Disable,
    /// Used where the server offers it.
    Prefer,
    /// No login without it.
    Require,
}

impl Target {
    /// The target as a URL without password, e.g. `postgres://app@localhost:5432/app`.
    pub fn describe(&self) -> String {
        let user = encoded(&self.user);
        let dbname = encoded(&self.dbname);
        if let [
            Host {
                address: Address::Socket(directory),
                port,
                ..
            },
        ] = self.hosts.as_slice()
        {
            return format!("postgres://{user}@/{dbname}?host={directory}&port={port}");
        }
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        format!("postgres://{user}@{}/{dbname}", hosts.join(","))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Socket(directory) => write!(f, "{}:{}", encoded(directory), self.port),
            Address::Name(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Address::Ip {
                name: Some(name), ..
            }
            | Address::Name(name) => {
                write!(f, "{name}:{}", self.port)
            }
            Address::Ip {
                ip: IpAddr::V6(ip),
                name: None,
            } => write!(f, "[{ip}]:{}", self.port),
            Address::Ip { ip, name: None } => write!(f, "{ip}:{}", self.port),
        }
    }
}

/// The signs that need no encoding in any part of a URL (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

impl SslMode {
    /// The mode as it is written.
    pub fn name(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}
