//! The cluster's members, and whether they agree: on the schema, on each other, on the time.
//!
//! The driver asks only nodes that it has connections to, so a node that is down does not count for it. Here every member
//! counts until it is removed from the ring (cassandra.md §3.1, traps C7, C10).

use super::query::Sender;
use crate::backend::{Event, Stop};
use crate::error::{Error, Result};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How often agreement is asked for. The facts measured a quarter of the time of the driver's 200 ms.
const POLL: Duration = Duration::from_millis(10);

/// How long it is asked so often, and the longest pause between two looks at members that do not agree for longer.
const POLL_FOR: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_millis(200);

/// How often it is looked who the members are: a node takes longer than that to join or to leave.
const RING: Duration = Duration::from_secs(1);

/// How long one member's answer is awaited: one that is paused does not hold up the look at the others.
pub const ANSWER: Duration = Duration::from_secs(2);

/// One member of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id, which stays when its address changes.
    pub id: Uuid,
    /// Where clients reach it.
    pub address: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Version of its server.
    pub release: String,
    /// What it answers itself, or why it does not.
    pub state: State,
}

/// What one member says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It answers, and has this schema version.
    Up(Uuid),
    /// It does not answer; its schema version as the coordinator last heard of it.
    Silent(Option<Uuid>, String),
}

/// Those who agreed last.
#[derive(Debug, Default)]
pub struct Ring {
    members: Vec<Member>,
    /// When it was last looked who they are.
    looked: Option<Instant>,
}

impl Ring {
    /// One of them, by its host id.
    pub fn member(&self, id: Uuid) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }
}

impl Member {
    fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    fn line(&self) -> String {
        let Member {
            id,
            address,
            datacenter,
            release,
            state,
        } = self;
        let state = match state {
            State::Up(schema) => format!("has schema {schema}"),
            State::Silent(Some(schema), why) => {
                format!("does not answer ({why}); last heard of with schema {schema}")
            }
            State::Silent(None, why) => format!("does not answer ({why})"),
        };
        format!("{address} ({datacenter}, {release}, host id {id}) {state}")
    }
}

/// Every member of the ring, as the coordinator knows it. Members that are to be left out are not listed.
pub async fn ring(sender: &Sender, without: &BTreeSet<Uuid>) -> Result<Vec<Member>> {
    let local = "SELECT host_id, rpc_address, data_center, release_version, schema_version FROM system.local";
    let peers = "SELECT host_id, native_address, data_center, release_version, schema_version FROM system.peers_v2";
    let own = sender.coordinator;
    let (local, peers, left) = tokio::join!(
        sender.ask_member(own, local, sender.timeout),
        sender.ask_member(own, peers, sender.timeout),
        left(sender)
    );
    let (local, peers) = (
        local.map_err(super::fault::Fault::error)?,
        peers.map_err(super::fault::Fault::error)?,
    );
    let mut known = Vec::new();
    for (row, address) in local
        .iter()
        .map(|row| (row, "rpc_address"))
        .chain(peers.iter().map(|row| (row, "native_address")))
    {
        let Some(id) = row.uuid("host_id") else {
            continue;
        };
        if without.contains(&id) || left.contains(&id) {
            continue;
        }
        let address = row.get(address).and_then(|address| address.as_inet());
        let text = |name: &str| row.text(name).unwrap_or("?").to_string();
        known.push(Member {
            id,
            address: address.map_or_else(|| "?".to_string(), |address| address.to_string()),
            datacenter: text("data_center"),
            release: text("release_version"),
            state: State::Silent(row.uuid("schema_version"), "not asked".to_string()),
        });
    }
    known.sort_by(|one, other| one.address.cmp(&other.address));
    Ok(known)
}

/// What each says of itself.
async fn ask_all(sender: &Sender, known: &[Member]) -> Vec<Member> {
    join_all(known.iter().map(|member| ask(sender, member.clone()))).await
}

/// The ids that are members to one and not to another: a node that has just started does not know of all others yet, and
/// what it calls agreement is none (traps C10).
async fn disputed(sender: &Sender, without: &BTreeSet<Uuid>, members: &[Member]) -> BTreeSet<Uuid> {
    let query = "SELECT host_id FROM system.peers_v2";
    let asked = members.iter().map(|member| async move {
        let rows = sender.ask_member(member.id, query, ANSWER).await.ok()?;
        let ids = rows.iter().filter_map(|row| row.uuid("host_id"));
        Some(ids.chain([member.id]).collect::<BTreeSet<_>>())
    });
    let (gone, told) = tokio::join!(left(sender), join_all(asked));
    let known = members.iter().map(|member| member.id).collect();
    difference(&known, told.iter().flatten())
        .into_iter()
        .filter(|id| !without.contains(id) && !gone.contains(id))
        .collect()
}

/// What is in one of the sets and not in all.
fn difference<'a>(
    known: &BTreeSet<Uuid>,
    others: impl Iterator<Item = &'a BTreeSet<Uuid>>,
) -> BTreeSet<Uuid> {
    others
        .flat_map(|other| known.symmetric_difference(other))
        .copied()
        .collect()
}

/// The first look: who the members are, and what each says of itself. Those that were there before are asked at the same
/// time, which saves a round trip where it is still they.
async fn look(sender: &Sender, without: &BTreeSet<Uuid>, before: &[Member]) -> Result<Vec<Member>> {
    let (ring, asked) = tokio::join!(ring(sender, without), ask_all(sender, before));
    let ring = ring?;
    let same = ring.len() == asked.len()
        && ring
            .iter()
            .zip(&asked)
            .all(|(one, other)| (one.id, &one.address) == (other.id, &other.address));
    match same && agreed(&asked) {
        true => Ok(asked),
        false => ask_ring(sender, without, ring).await,
    }
}

/// What the members of a ring say of themselves. Those of whom not all know are among them, as silent ones: who knows
/// of too few must not agree with itself.
async fn ask_ring(
    sender: &Sender,
    without: &BTreeSet<Uuid>,
    ring: Vec<Member>,
) -> Result<Vec<Member>> {
    let (mut members, disputed) =
        tokio::join!(ask_all(sender, &ring), disputed(sender, without, &ring));
    for id in disputed {
        let why = "not all members know of it".to_string();
        match members.iter_mut().find(|member| member.id == id) {
            Some(member) => member.state = State::Silent(None, why),
            None => members.push(Member {
                id,
                address: "?".to_string(),
                datacenter: "?".to_string(),
                release: "?".to_string(),
                state: State::Silent(None, why),
            }),
        }
    }
    Ok(members)
}

async fn ask(sender: &Sender, mut member: Member) -> Member {
    let query = "SELECT schema_version, release_version FROM system.local";
    let answer = sender.ask_member(member.id, query, ANSWER).await;
    let heard = match &member.state {
        State::Up(schema) => Some(*schema),
        State::Silent(schema, _) => *schema,
    };
    member.state = match answer {
        Ok(rows) => {
            let row = rows.first();
            if let Some(release) = row.and_then(|row| row.text("release_version")) {
                member.release = release.to_string();
            }
            match row.and_then(|row| row.uuid("schema_version")) {
                Some(schema) => State::Up(schema),
                None => State::Silent(heard, "it tells no schema version".to_string()),
            }
        }
        Err(fault) => State::Silent(heard, fault.message),
    };
    member
}

/// Members that have left the ring, and are still told of for days (traps C10). Servers before 4.1 have no such table,
/// and a role may not be allowed to read it: then whoever is in `peers_v2` counts.
async fn left(sender: &Sender) -> BTreeSet<Uuid> {
    let query = "SELECT host_id, status, status_with_port FROM system_views.gossip_info";
    let Ok(rows) = sender.ask_member(sender.coordinator, query, ANSWER).await else {
        return BTreeSet::new();
    };
    rows.iter()
        .filter(|row| {
            let status = row.text("status_with_port").or_else(|| row.text("status"));
            status.is_some_and(gone)
        })
        .filter_map(|row| row.text("host_id")?.parse().ok())
        .collect()
}

/// Whether a status that gossip tells of is one of a member that has left, or is being removed: a word of `VersionedValue`
/// in the server, and what goes with it behind commas.
fn gone(status: &str) -> bool {
    let word = status.split(',').next().unwrap_or_default();
    matches!(word, "LEFT" | "removed" | "removing")
}

/// Waits until every member answers and has one schema, at most for `within`. Tells who is waited for. `known` are those of
/// the last agreement, and then of this one.
///
/// # Errors
/// They do not agree in time, listed with what each has; they are of several versions; a signal came.
pub async fn agree(
    sender: &Sender,
    without: &BTreeSet<Uuid>,
    known: &mut Ring,
    within: Duration,
    stop: &Stop,
    tell: &mut dyn FnMut(Event),
) -> Result<Vec<Member>> {
    let began = Instant::now();
    let deadline = began + within;
    let mut pause = POLL;
    let mut told = false;
    let mut looked = known.looked.filter(|at| at.elapsed() < RING);
    let mut members = match looked {
        Some(_) => ask_all(sender, &known.members).await,
        None => {
            looked = Some(began);
            look(sender, without, &known.members).await?
        }
    };
    let mut settled = members.iter().all(Member::is_up);
    loop {
        // Before their schemas, on which they would be waited for in vain.
        one_version(&members)?;
        if agreed(&members) {
            known.members.clone_from(&members);
            known.looked = looked;
            return Ok(members);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(disagree(&members, within));
        }
        if !told && pause >= POLL_MAX {
            tell(Event::Notice {
                severity: "WAITING".to_string(),
                message: format!("for the members to agree on the schema{}", list(&members)),
            });
            told = true;
        }
        stop.pause(pause.min(left)).await?;
        if began.elapsed() > POLL_FOR {
            pause = (pause * 5 / 4).min(POLL_MAX);
        }
        // Who is a member changes seldom; what they say changes now.
        members = match settled && looked.is_some_and(|at| at.elapsed() < RING) {
            true => ask_all(sender, &members).await,
            false => {
                looked = Some(Instant::now());
                ask_ring(sender, without, ring(sender, without).await?).await?
            }
        };
        settled = members.iter().all(Member::is_up);
    }
}

/// Whether all answer, and all have one schema.
pub fn agreed(members: &[Member]) -> bool {
    let mut versions = BTreeSet::new();
    members.iter().all(|member| match &member.state {
        State::Up(schema) => {
            versions.insert(*schema);
            true
        }
        State::Silent(..) => false,
    }) && versions.len() == 1
}

fn list(members: &[Member]) -> String {
    let mut text = String::from(":");
    for member in members {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}", member.line());
    }
    text
}

/// Those that do not answer, a line each; nothing where all do, or where the coordinator does not tell.
pub async fn silent(sender: &Sender) -> String {
    let known = ring(sender, &BTreeSet::new()).await.unwrap_or_default();
    let members = ask_all(sender, &known).await;
    let silent = |member: &Member| matches!(member.state, State::Silent(..));
    let silent: Vec<Member> = members.into_iter().filter(silent).collect();
    match silent.as_slice() {
        [] => String::new(),
        silent => list(silent),
    }
}

fn disagree(members: &[Member], within: Duration) -> Error {
    let silent = members
        .iter()
        .filter(|member| matches!(member.state, State::Silent(..)))
        .count();
    let what = match silent {
        0 => "the members do not agree on the schema".to_string(),
        1 => "a node is down or does not answer".to_string(),
        n => format!("{n} nodes are down or do not answer"),
    };
    let seconds = within.as_secs_f64();
    let error = Error::failed(format!("{what}, for {seconds} s{}", list(members)));
    let next = match silent {
        0 => {
            "nodetool describecluster shows the same; once they agree, the same command, which continues where it stopped"
        }
        _ => {
            "bring the nodes back, or remove them from the ring (nodetool removenode); then the same command, which continues where it stopped. \
              --without-node HOST_ID --reason TEXT goes on without one that is known to stay down"
        }
    };
    error.next(next)
}

/// Refuses a ring of several server versions: they never agree on a schema.
///
/// # Errors
/// The versions, member by member.
fn one_version(members: &[Member]) -> Result<()> {
    let line = |member: &Member| {
        let mut numbers = member.release.split(['.', '-']);
        (
            numbers.next().unwrap_or_default().to_string(),
            numbers.next().unwrap_or_default().to_string(),
        )
    };
    let lines: BTreeSet<_> = members.iter().map(line).collect();
    if lines.len() <= 1 {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the members run different versions of Cassandra, which never agree on a schema change{}",
        list(members)
    ))
    .next("finish the rolling upgrade of the cluster, then the same command"))
}

#[cfg(test)]
mod tests;
