//! One session with a cluster.

use super::fault::Fault;
use super::target::{Contact, Password, Target};
use crate::error::Error;
use crate::settings::{Level, SerialLevel};
use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, SelfIdentity};
use scylla::policies::load_balancing::{
    DefaultPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use secrecy::ExposeSecret;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A session with a cluster. It uses no keyspace: statements name theirs.
pub struct Link {
    /// Sends requests: one attempt each, at the levels of the target, and no waiting for agreement.
    pub session: Session,
    /// The node that DDL goes through.
    pub home: Uuid,
    /// Its datacenter.
    pub datacenter: String,
    /// Its version.
    pub version: Version,
    profile: ExecutionProfile,
}

/// `release_version`, 4.1.10.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major and minor number.
    pub number: (u32, u32),
    /// As the server writes it.
    pub text: String,
}

impl Link {
    /// Sends a statement to this node and no other, by its host id: `statement.set_execution_profile_handle(Some(…))`.
    pub fn only(&self, host_id: Uuid) -> ExecutionProfileHandle {
        self.profile
            .to_builder()
            .load_balancing_policy(SingleTargetLoadBalancingPolicy::new(
                NodeIdentifier::HostId(host_id),
                None,
            ))
            .build()
            .into_handle()
    }
}

/// Connects.
///
/// # Errors
/// No node that can be worked with answers within `connect_timeout`, the login is refused, or the cluster is none that
/// kmig knows.
pub async fn connect(target: &Target) -> Result<Link, Error> {
    let connecting = open(target);
    match tokio::time::timeout(target.connect_timeout, connecting).await {
        Ok(opened) => opened,
        Err(_) => Err(Error::failed(format!(
            "{} did not answer within {} s",
            target.describe(),
            target.connect_timeout.as_secs_f64()
        ))
        .now("nothing was run")),
    }
}

async fn open(target: &Target) -> Result<Link, Error> {
    let profile = profile(target);
    let session = builder(target, &profile)
        .build()
        .await
        .map_err(|error| Fault::from(error).error().now("nothing was run"))?;
    let (home, datacenter, text) = about(&session).await?;
    Ok(Link {
        session,
        home,
        datacenter,
        version: Version::read(text),
        profile,
    })
}

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

fn builder(target: &Target, profile: &ExecutionProfile) -> SessionBuilder {
    let hosts = target.contacts.iter().map(|contact| match contact {
        Contact::Ip(ip) => std::net::SocketAddr::new(*ip, target.port).to_string(),
        Contact::Name(name) => format!("{name}:{}", target.port),
    });
    let identity = SelfIdentity::new()
        .with_application_name("kmig")
        .with_application_version(env!("CARGO_PKG_VERSION"))
        .with_client_id(target.run.to_string());
    let mut builder = SessionBuilder::new()
        .known_nodes(hosts)
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
        .connection_timeout(target.connect_timeout)
        .hostname_resolution_timeout(Some(target.connect_timeout))
        .tcp_keepalive_interval(KEEPALIVE)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .default_execution_profile_handle(profile.clone().into_handle());
    if let (Some(user), Password::Given(password)) = (&target.user, &target.password) {
        builder = builder.user(user, password.expose_secret());
    }
    builder
}

/// How long a line is silent before it is tried, and how long an answer may take then.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Host id, datacenter and version of the node that answers.
async fn about(session: &Session) -> Result<(Uuid, String, String), Error> {
    let rows = session
        .query_unpaged(
            "SELECT host_id, data_center, release_version FROM system.local",
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
