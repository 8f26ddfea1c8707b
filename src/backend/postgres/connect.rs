//! One connection to Postgres, by libpq's rules for trying hosts, addresses and encryptions (libpq documentation,
//! "Specifying Multiple Hosts" and "Protection Provided in Different Modes"; `PQconnectPoll` in libpq's source).
//!
//! No query is sent unless `target_session_attrs` asks what an old server does not tell by itself.

mod error;
mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use secrecy::ExposeSecret;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::SslMode;
use super::conninfo::{Address, ChannelBinding, Host, Target, TargetSessionAttrs};
use super::traffic::{Counted, Traffic};
use super::wire::{Already, CancelRequest, Wire};
use super::{tls, wire};
pub use error::{ConnectError, ConnectErrorKind};
use error::{Failure, Next, unfolded};

/// A session with a server.
pub struct Connection {
    /// Runs statements. When it is dropped the session ends.
    pub client: Client,
    /// What the server says on its own; ends with the session.
    pub messages: Receiver<Notice>,
    /// How much of that found no room, since nobody listened.
    pub unheard: Arc<AtomicUsize>,
    /// What the server reported at the start: `server_version`, `server_encoding`, `in_hot_standby`, …
    pub parameters: BTreeMap<String, String>,
    /// The process id that the server announced. A pooler's need not be the backend's.
    pub backend_pid: i32,
    /// Ends what the session is doing.
    pub cancel: CancelHandle,
    /// Whether TLS protects the session.
    pub encrypted: bool,
    /// Finishes with the session; holds why it ended if it was not by dropping the client.
    pub ended: JoinHandle<Option<String>>,
    /// The SQLSTATE of the server's last word, where it ended the session while nothing was asked of it.
    pub farewell: Arc<OnceLock<String>>,
    /// When the line was last used, and whether an answer is due.
    pub traffic: Traffic,
}

/// A message that the server sends besides results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE`, `WARNING`, …, in the server's language.
    pub severity: String,
    /// The SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The context, e.g. the call stack of functions.
    pub context: Option<String>,
}

/// Cancels what a session is doing, over a connection of its own to the same address, encrypted if the session is.
#[derive(Clone)]
pub struct CancelHandle {
    request: CancelRequest,
    place: Place,
    encrypted: bool,
    target: Target,
}

/// One address of one host.
#[derive(Clone)]
struct Place {
    host: Host,
    /// `None` for a Unix socket.
    address: Option<SocketAddr>,
}

/// How to try an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Plain,
    Tls,
    /// TLS, or plain on the same connection if the server declines.
    TlsIfOffered,
}

/// Connects to the first server of the target that will do.
///
/// A server that cannot be reached, is starting up, or is not of the kind asked for leads to the next one; a login that
/// is refused, or TLS that fails, ends the search.
pub async fn connect(target: &Target) -> Result<Connection, ConnectError> {
    let passes: &[TargetSessionAttrs] = match target.target_session_attrs {
        TargetSessionAttrs::PreferStandby => {
            &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any]
        }
        _ => &[target.target_session_attrs],
    };
    let mut failures = Vec::new();
    'passes: for &wanted in passes {
        failures.clear();
        for host in in_order(target, target.hosts.clone()) {
            let places = match places(host, target).await {
                Ok(places) => places,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            for place in places {
                match try_place(target, &place, wanted).await {
                    Ok(connection) => return Ok(connection),
                    Err(failure) => {
                        let last = failure.next == Next::Stop;
                        failures.push(failure);
                        if last {
                            break 'passes;
                        }
                    }
                }
            }
        }
    }
    Err(ConnectError::from_failures(target, failures))
}

/// The list as it is, or shuffled where `load_balance_hosts` says so.
fn in_order<T>(target: &Target, mut list: Vec<T>) -> Vec<T> {
    if target.load_balance_hosts {
        fastrand::shuffle(&mut list);
    }
    list
}

/// The addresses of a host.
async fn places(host: Host, target: &Target) -> Result<Vec<Place>, Failure> {
    let addresses = match &host.address {
        Address::Socket(_) => {
            return Ok(vec![Place {
                host,
                address: None,
            }]);
        }
        Address::Ip { ip, .. } => vec![SocketAddr::new(*ip, host.port)],
        Address::Name(name) => {
            let lookup = tokio::net::lookup_host((name.as_str(), host.port));
            match session::limited(target.connect_timeout, lookup).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(error)) => return Err(Failure::lookup(name, &error.to_string())),
                Err(_) => return Err(Failure::lookup(name, "timeout expired")),
            }
        }
    };
    if addresses.is_empty() {
        return Err(Failure::lookup(&host.to_string(), "it has no address"));
    }
    let addresses = in_order(target, addresses);
    Ok(addresses
        .into_iter()
        .map(|address| Place {
            host: host.clone(),
            address: Some(address),
        })
        .collect())
}

/// Tries the encryptions that `sslmode` allows at one address, within `connect_timeout`.
async fn try_place(
    target: &Target,
    place: &Place,
    wanted: TargetSessionAttrs,
) -> Result<Connection, Failure> {
    let attempts = async {
        let mut failed: Option<Failure> = None;
        for &encryption in encryptions(target, place) {
            match session::start(target, place, encryption).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => {
                    let next = failure.next;
                    failed = Some(match failed {
                        Some(first) => first.and(failure),
                        None => failure,
                    });
                    if next != Next::OtherEncryption {
                        break;
                    }
                }
            }
        }
        Err(failed.map_or_else(
            || Failure::nothing_tried(place),
            Failure::stop_if_only_encryption,
        ))
    };
    let connection = match session::limited(target.connect_timeout, attempts).await {
        Ok(result) => result?,
        Err(limit) => return Err(Failure::timeout(place, limit)),
    };
    match session::limited(
        target.connect_timeout,
        session::is_wanted(&connection, wanted),
    )
    .await
    {
        Ok(Ok(None)) => Ok(connection),
        Ok(Ok(Some(why_not))) => Err(Failure::unwanted(place, why_not)),
        Ok(Err(error)) => Err(Failure::driver(place, &error, target)),
        Err(limit) => Err(Failure::timeout(place, limit)),
    }
}

/// What to try, in order. A Unix socket has no TLS whatever `sslmode` says.
fn encryptions(target: &Target, place: &Place) -> &'static [Encryption] {
    use Encryption::{Plain, Tls, TlsIfOffered};
    match (target.ssl.mode, place.address) {
        (_, None) | (SslMode::Disable, _) => &[Plain],
        (SslMode::Allow, _) => &[Plain, Tls],
        (SslMode::Prefer, _) => &[TlsIfOffered, Plain],
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => &[Tls],
    }
}

impl CancelHandle {
    /// Asks the server to cancel, and waits until it has taken note. Whether anything was running is not known.
    pub async fn cancel(&self) -> Result<(), ConnectError> {
        let encryption = if self.encrypted {
            Encryption::Tls
        } else {
            Encryption::Plain
        };
        let send = async {
            let wire = session::open(&self.target, &self.place, encryption).await?;
            self.request
                .send(wire)
                .await
                .map_err(|error| Failure::io(&self.place, &error))
        };
        match session::limited(self.target.connect_timeout, send).await {
            Ok(result) => result,
            Err(limit) => Err(Failure::timeout(&self.place, limit)),
        }
        .map_err(|failure| ConnectError::from_failures(&self.target, vec![failure]))
    }
}

impl fmt::Debug for CancelHandle {
    /// Without the session's secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelHandle({})", self.place)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Connection({}, pid {})",
            self.cancel.place, self.backend_pid
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host.address, self.address) {
            (Address::Socket(directory), _) => {
                write!(f, "socket \"{directory}/.s.PGSQL.{}\"", self.host.port)
            }
            // "localhost:5432 (127.0.0.1)", unless the host is the address.
            (Address::Name(name), Some(address)) if *name != address.ip().to_string() => {
                write!(f, "{} ({})", self.host, address.ip())
            }
            (Address::Ip { name: Some(_), ip }, _) => write!(f, "{} ({ip})", self.host),
            _ => write!(f, "{}", self.host),
        }
    }
}
