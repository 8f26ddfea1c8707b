//! Whether a cluster can serve a keyspace: datacenters that are there, with a node for each replica.

use super::fault::Fault;
use super::members::Member;
use super::names::literal;
use super::query::Sender;
use crate::error::{Error, Result};
use crate::settings::Replication;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a replication map wants that the members cannot serve; nothing where they can. Of a strategy that kmig does not
/// know nothing is said.
pub fn lacking(map: &BTreeMap<String, String>, members: &[Member]) -> Option<String> {
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        *nodes.entry(member.datacenter.as_str()).or_default() += 1;
    }
    let there: Vec<String> = nodes
        .iter()
        .map(|(datacenter, count)| format!("{datacenter} with {count}"))
        .collect();
    let there = there.join(", ");
    let class = map
        .get("class")
        .map_or("", |class| class.rsplit('.').next().unwrap_or(class));
    let replicas = |text: &str| text.split('/').next()?.trim().parse::<usize>().ok();
    match class {
        "SimpleStrategy" => {
            let wanted = replicas(map.get("replication_factor")?)?;
            (wanted > members.len()).then(|| {
                format!(
                    "{wanted} replicas are wanted, and the cluster has {} nodes",
                    members.len()
                )
            })
        }
        "NetworkTopologyStrategy" => map.iter().find_map(|(datacenter, count)| {
            let wanted = replicas(count)?;
            match (datacenter.as_str(), nodes.get(datacenter.as_str())) {
                ("class", _) => None,
                ("replication_factor", _) => {
                    let small = nodes.iter().find(|(_, count)| **count < wanted)?;
                    Some(format!(
                        "{wanted} replicas are wanted in each datacenter, and {} has {} nodes",
                        small.0, small.1
                    ))
                }
                (_, None) if wanted == 0 => None,
                (_, None) => Some(format!(
                    "{datacenter} is no datacenter of the cluster, which has {there}"
                )),
                (_, Some(count)) => (wanted > *count).then(|| {
                    format!("{wanted} replicas are wanted in {datacenter}, which has {count} nodes")
                }),
            }
        }),
        _ => None,
    }
}

/// Refuses a keyspace that is to be made with replicas that there are no nodes for: no quorum could ever be had.
///
/// # Errors
/// What is lacking.
pub fn servable(replication: &Replication, members: &[Member]) -> Result<()> {
    match lacking(replication.map(), members) {
        None => Ok(()),
        Some(why) => Err(Error::usage(format!(
            "[cassandra] replication cannot be served by this cluster: {why}"
        ))
        .now("nothing was made")
        .next("replication in kmig.toml as the cluster is, names of datacenters with capitals as it writes them; then kmig bootstrap")),
    }
}

/// How a keyspace that is there is replicated.
///
/// # Errors
/// The member does not answer.
pub async fn of(sender: &Sender, member: Uuid, keyspace: &str) -> Result<BTreeMap<String, String>> {
    let query = format!(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = {}",
        literal(keyspace)
    );
    let rows = sender.ask_member(member, &query, sender.timeout).await;
    let rows = rows.map_err(Fault::error)?;
    let pairs = rows.first().map(|row| row.pairs("replication"));
    Ok(pairs.unwrap_or_default().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::members::State;
    use super::*;

    fn members(datacenters: &[&str]) -> Vec<Member> {
        let member = |datacenter: &&str| Member {
            id: Uuid::new_v4(),
            address: "10.0.0.1".into(),
            datacenter: (*datacenter).into(),
            release: "5.0.9".into(),
            state: State::Up(Uuid::nil()),
        };
        datacenters.iter().map(member).collect()
    }

    #[test]
    fn what_the_cluster_cannot_serve_is_named() {
        let two = members(&["dc1", "dc1", "DC2"]);
        for (text, says) in [
            (
                "{ class = \"SimpleStrategy\", replication_factor = 3 }",
                None,
            ),
            (
                "{ class = \"SimpleStrategy\", replication_factor = 4 }",
                Some("3 nodes"),
            ),
            (
                "{ class = \"NetworkTopologyStrategy\", dc1 = 2, DC2 = 1 }",
                None,
            ),
            (
                "{ class = \"NetworkTopologyStrategy\", dc1 = 3 }",
                Some("dc1, which has 2"),
            ),
            (
                "{ class = \"NetworkTopologyStrategy\", dc2 = 1 }",
                Some("DC2 with 1"),
            ),
            (
                "{ class = \"NetworkTopologyStrategy\", replication_factor = 2 }",
                Some("DC2 has 1"),
            ),
            ("{ class = \"org.example.Own\", x = 9 }", None),
        ] {
            let replication = Replication::read(text).expect("a map");
            let lacking = lacking(replication.map(), &two);
            match (lacking, says) {
                (None, None) => {}
                (Some(why), Some(says)) => assert!(why.contains(says), "{text}: {why}"),
                (why, _) => panic!("{text}: {why:?}"),
            }
        }
    }
}
