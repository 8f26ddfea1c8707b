//! One session with a cluster.

use super::fault::{AUTHENTICATION, Fault, missing_login};
use super::probe::{Refusal, probe};
use super::target::{Contact, Password, Target};
use super::tls::client_config;
use crate::backend::files;
use crate::backend::tls::Sources;
use crate::error::{Error, reason};
use crate::settings::{Level, SerialLevel, Tls};
use rustls::ClientConfig;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, SelfIdentity};
use scylla::errors::NewSessionError;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// A session with a cluster. It uses no keyspace: statements name theirs.
pub struct Link {
    /// Sends requests: one attempt each, at the levels of the target, and no waiting for agreement.
    pub session: Session,
    /// The node that DDL goes through.
    pub home: Uuid,
    /// Its version.
    pub version: Version,
}

/// `release_version`, 4.1.10.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major and minor number.
    pub number: (u32, u32),
    /// As the server writes it.
    pub text: String,
}

/// Connects.
///
/// # Errors
/// No node that can be worked with answers within `connect_timeout`, the login is refused, or the cluster is none that
/// kmig knows.
pub async fn connect(target: &Target) -> Result<Link, Error> {
    open(target)
        .await
        .map_err(|error| error.now("nothing was run"))
}

async fn open(target: &Target) -> Result<Link, Error> {
    let login = login(target)?;
    let tls = match &target.tls {
        None => None,
        Some(tls) => Some(Arc::new(encryption(tls, target)?)),
    };
    let profile = profile(target);
    let deadline = Instant::now() + target.connect_timeout;
    let mut failures = Failures::default();
    let mut probes = probes(target, tls.clone());
    // The first that answers will do: it tells of all others, and a host that is down holds nobody up.
    while let Ok(Some(probed)) = timeout_at(deadline, probes.join_next()).await {
        let Ok((at, probed)) = probed else {
            continue;
        };
        let address = match probed {
            Ok(address) => address,
            Err(refusal) => {
                failures.0.insert(at, refusal);
                continue;
            }
        };
        let builder = builder(target, &profile, address, login.clone(), tls.clone());
        let why = match timeout_at(deadline, builder.build()).await {
            Ok(Ok(session)) => return linked(session, target).await,
            Ok(Err(error)) => match refused_login(target, &error) {
                Some(refused) => return Err(refused),
                None => Fault::from(error).message,
            },
            Err(_) => "it answers, but no session was ready in time".to_string(),
        };
        failures.0.insert(at, Refusal { why, next: None });
    }
    Err(failures.error(target))
}

/// Asks every host of the url at once whether a Cassandra answers there.
fn probes(target: &Target, tls: Option<Arc<ClientConfig>>) -> JoinSet<Probed> {
    let mut probes = JoinSet::new();
    for (at, contact) in target.contacts.iter().cloned().enumerate() {
        let (port, patience, tls) = (target.port, target.connect_timeout, tls.clone());
        probes.spawn(async move { (at, first_answer(contact, port, tls, patience).await) });
    }
    probes
}

/// Which host of the url it is, and the address that answers.
type Probed = (usize, Result<SocketAddr, Refusal>);

/// The first address of a host at which a Cassandra answers.
async fn first_answer(
    contact: Contact,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
) -> Result<SocketAddr, Refusal> {
    let nowhere = |why: String| Refusal { why, next: None };
    let addresses: Vec<SocketAddr> = match contact {
        Contact::Ip(ip) => vec![SocketAddr::new(ip, port)],
        Contact::Name(name) => match tokio::net::lookup_host((name.as_str(), port)).await {
            Ok(found) => found.collect(),
            Err(error) => return Err(nowhere(reason(&error))),
        },
    };
    let mut last = nowhere("it has no address".to_string());
    for address in addresses {
        match probe(address, tls.clone(), patience).await {
            Ok(()) => return Ok(address),
            Err(refusal) => last = refusal,
        }
    }
    Err(last)
}

/// Why hosts of the url will not do, by their place in it.
#[derive(Default)]
struct Failures(BTreeMap<usize, Refusal>);

impl Failures {
    /// All of them, in the order of the url. A host that is not among them has said nothing in time.
    fn error(self, target: &Target) -> Error {
        let silent = format!(
            "no answer within {} s",
            target.connect_timeout.as_secs_f64()
        );
        let lines: Vec<String> = target
            .contacts
            .iter()
            .enumerate()
            .map(|(at, contact)| {
                let why = self.0.get(&at).map_or(&silent, |refusal| &refusal.why);
                format!("{contact}:{}: {why}", target.port)
            })
            .collect();
        let error = Error::failed(match lines.as_slice() {
            [line] => format!("no connection to Cassandra: {line}"),
            lines => format!(
                "no connection to Cassandra at any host of {}\n  {}",
                target.describe(),
                lines.join("\n  ")
            ),
        });
        let next = self.0.values().find_map(|refusal| refusal.next);
        error.next(next.unwrap_or("check the hosts of the url, and whether the cluster runs"))
    }
}

/// User and password.
fn login(target: &Target) -> Result<Option<(String, SecretString)>, Error> {
    let Some(user) = &target.user else {
        return Ok(None);
    };
    Ok(match &target.password {
        Password::None => None,
        Password::Given(password) => Some((user.clone(), password.clone())),
        Password::File(path) => Some((user.clone(), password_in(path)?)),
    })
}

/// The first line of a password file.
fn password_in(path: &Path) -> Result<SecretString, Error> {
    let shown = path.display();
    let wrong = |why: &str| Error::usage(format!("password file \"{shown}\" {why}"));
    let found = files::read(path)
        .map_err(|error| wrong(&format!("cannot be read: {}", reason(&error))))?
        .ok_or_else(|| wrong("does not exist").next("name it with cassandra.password_file; relative paths start at the folder of kmig.toml"))?;
    if !found.regular {
        return Err(wrong("is not a plain file"));
    }
    if found.mode & files::GROUP_AND_WORLD != 0 {
        return Err(wrong("may be read by others").next(format!("chmod 0600 {shown}")));
    }
    let text = String::from_utf8(found.contents).map_err(|_| wrong("is not UTF-8"))?;
    match text.lines().next() {
        None | Some("") => Err(wrong("has no password in its first line")),
        Some(password) => Ok(password.to_string().into()),
    }
}

/// The TLS settings, read from their files.
fn encryption(tls: &Tls, target: &Target) -> Result<ClientConfig, Error> {
    let sources = Sources {
        file: &files::read,
        system_roots: &files::system_roots,
    };
    client_config(tls, target, &sources)
        .map_err(|error| Error::usage(error.message).next(error.help))
}

/// The cluster's no to the login; every host would say it.
fn refused_login(target: &Target, error: &NewSessionError) -> Option<Error> {
    let user = target.user.as_deref();
    let wanted = missing_login(error);
    let fault = Fault::from(error.clone());
    let hint = target.logins;
    match user {
        None if wanted => {
            Some(Error::failed("the cluster wants a login, and no user is given").next(hint))
        }
        Some(user) if wanted => Some(
            Error::failed(format!(
                "the cluster wants a login, and there is no password for {user}"
            ))
            .next(hint),
        ),
        _ if fault.is(AUTHENTICATION) => {
            let user = user.unwrap_or_default().to_string();
            let said = fault.message.clone();
            let mut error = fault.error();
            error.message = format!("the cluster refused the login of {user}: {said}");
            error.next = Some(hint.to_string());
            Some(error)
        }
        _ => None,
    }
}

/// What the session found out about the cluster, where kmig can work with it.
async fn linked(session: Session, target: &Target) -> Result<Link, Error> {
    let (home, text, datacenter) = about(&session).await?;
    let version = Version::read(text);
    if version.number < OLDEST {
        return Err(Error::failed(format!(
            "the cluster runs Cassandra {}; kmig needs 4.0 or later",
            version.text
        )));
    }
    if let Some(wanted) = &target.local_datacenter {
        let state = session.get_cluster_state();
        let there: BTreeSet<&str> = state
            .get_nodes_info()
            .iter()
            .filter_map(|node| node.datacenter.as_deref())
            .collect();
        if !there.contains(wanted.as_str()) {
            let there: Vec<&str> = there.into_iter().collect();
            return Err(Error::usage(format!(
                "the cluster has no datacenter {wanted}; it has {}",
                there.join(", ")
            ))
            .next(
                "set local_datacenter in [cassandra], with capitals as the cluster writes them",
            ));
        }
        let local = target.consistency == Level::LocalQuorum
            || target.serial_consistency == SerialLevel::LocalSerial;
        if local && *wanted != datacenter {
            return Err(Error::failed(format!(
                "no node of the datacenter {wanted} answers, and the levels of this project count there"
            ))
            .next("bring its nodes back; or, once no executor of it can run any more, the levels and local_datacenter of another one, in every project"));
        }
    }
    Ok(Link {
        session,
        home,
        version,
    })
}

/// The oldest version that kmig works with.
const OLDEST: (u32, u32) = (4, 0);

/// How requests are sent.
fn profile(target: &Target) -> ExecutionProfile {
    let nodes = DefaultPolicy::builder();
    let nodes = match &target.local_datacenter {
        Some(datacenter) => nodes
            .prefer_datacenter(datacenter.clone())
            .permit_dc_failover(true),
        None => nodes,
    };
    ExecutionProfile::builder()
        .consistency(match target.consistency {
            Level::Quorum => Consistency::Quorum,
            Level::LocalQuorum => Consistency::LocalQuorum,
            Level::All => Consistency::All,
        })
        .serial_consistency(Some(match target.serial_consistency {
            SerialLevel::Serial => SerialConsistency::Serial,
            SerialLevel::LocalSerial => SerialConsistency::LocalSerial,
        }))
        .request_timeout(Some(target.request_timeout))
        .load_balancing_policy(nodes.build())
        // Whether to send again is for who knows what the statement does.
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .speculative_execution_policy(None)
        .build()
}

fn builder(
    target: &Target,
    profile: &ExecutionProfile,
    address: SocketAddr,
    login: Option<(String, SecretString)>,
    tls: Option<Arc<ClientConfig>>,
) -> SessionBuilder {
    let identity = SelfIdentity::new()
        .with_application_name("kmig")
        .with_application_version(env!("CARGO_PKG_VERSION"))
        .with_client_id(target.run.to_string());
    let builder = SessionBuilder::new()
        .known_node_addr(address)
        .tls_context(tls)
        .custom_identity(identity)
        // A JSON of several hundred bytes in system_views.clients.
        .driver_config_reporting(false)
        // One column of a custom Java class anywhere in the cluster makes reading the whole schema fail.
        .fetch_schema_metadata(false)
        // kmig asks every member, the down ones included; the driver asks those that it reaches.
        .auto_await_schema_agreement(false)
        .refresh_metadata_on_auto_schema_agreement(false)
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
        .disallow_shard_aware_port(true)
        // The driver waits for a connection to each member that it hears of. One that is not to be reached, or accepts
        // and does not answer, is given up while there is still time for the session.
        .connection_timeout(target.connect_timeout / 2)
        .hostname_resolution_timeout(Some(target.connect_timeout))
        .tcp_keepalive_interval(KEEPALIVE)
        .keepalive_interval(KEEPALIVE.min(target.connect_timeout / 5))
        .keepalive_timeout(KEEPALIVE.min(target.connect_timeout / 2))
        .default_execution_profile_handle(profile.clone().into_handle());
    match login {
        Some((user, password)) => builder.user(user, password.expose_secret()),
        None => builder,
    }
}

/// How long a line is silent before it is tried, and how long an answer may take then, at most.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Host id, version and datacenter of the node that answers.
async fn about(session: &Session) -> Result<(Uuid, String, String), Error> {
    let rows = session
        .query_unpaged(
            "SELECT host_id, release_version, data_center FROM system.local",
            (),
        )
        .await
        .map_err(Fault::from)?
        .into_rows_result()
        .map_err(|error| Error::failed(format!("system.local cannot be read: {error}")))?;
    rows.single_row()
        .map_err(|error| Error::failed(format!("system.local cannot be read: {error}")))
}

impl Version {
    /// Reads a `release_version`.
    fn read(text: String) -> Version {
        let mut numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .map(|digits| digits.parse().unwrap_or(0));
        let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Version { number, text }
    }
}

#[cfg(test)]
mod tests;
