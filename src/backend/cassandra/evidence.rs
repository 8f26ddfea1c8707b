//! Who is connected to each node, and whether anybody still uses what is to be dropped (cassandra.md §3.24). Every table
//! asked here is a node's own: every member is asked, and one that does not answer keeps the gate closed.

use super::Cassandra;
use super::fault::{Fault, UNAUTHORIZED};
use super::members::{self, ANSWER, Member};
use super::query::{Cells, Rows};
use crate::backend::Sighting;
use crate::error::Result;
use crate::gate::{
    Check, Client, Demand, Doomed, Evidence, Looks, Unseen, announced, closed, fell, judge,
};
use crate::run::RunId;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Who is connected. Which columns there are depends on the version: client_options since 4.1.
const CLIENTS: &str = "SELECT * FROM system_views.clients";

/// What counts reads and writes through a node, by table. A conditional write counts as a read (traps C16).
const COUNTERS: [&str; 3] = [
    "coordinator_read_latency",
    "coordinator_scan_latency",
    "coordinator_write_latency",
];

/// What one member shows.
struct Shown {
    clients: Result<Rows, Fault>,
    counts: Result<BTreeMap<String, i64>, Fault>,
    statements: Result<Rows, Fault>,
}

impl Cassandra {
    /// Asks every member of the ring, those that are left out of agreement too.
    pub(super) async fn look_around(&self, doomed: &Doomed) -> Result<Evidence> {
        let known = members::ring(&self.sender, &BTreeSet::new()).await?;
        let shown = join_all(known.iter().map(|member| self.look_at(member, doomed))).await;
        let mut evidence = Evidence::default();
        for (member, shown) in known.iter().zip(shown) {
            add(member, shown, doomed, &mut evidence);
        }
        Ok(evidence)
    }

    /// What one member shows, all of it at once.
    async fn look_at(&self, member: &Member, doomed: &Doomed) -> Shown {
        let ask =
            |text: String| async move { self.sender.ask_member(member.id, &text, ANSWER).await };
        let counts = async {
            let mut counts = BTreeMap::new();
            if doomed.tables.is_empty() {
                return Ok(counts);
            }
            let keyspace = &self.recorder.names.keyspace;
            let queries = COUNTERS.map(|table| {
                format!("SELECT keyspace_name, table_name, count FROM system_views.{table}")
            });
            for rows in join_all(queries.map(ask)).await {
                for row in rows?.iter() {
                    let table = row.text("table_name").unwrap_or_default();
                    if row.text("keyspace_name") == Some(keyspace) && doomed.tables.contains(table)
                    {
                        *counts.entry(table.to_string()).or_default() +=
                            row.number("count").unwrap_or_default();
                    }
                }
            }
            Ok(counts)
        };
        let statements = async {
            match doomed.columns.is_empty() {
                true => Ok(Rows::default()),
                false => {
                    ask("SELECT query_string FROM system.prepared_statements".to_string()).await
                }
            }
        };
        let (clients, counts, statements) =
            tokio::join!(ask(CLIENTS.to_string()), counts, statements);
        Shown {
            clients,
            counts,
            statements,
        }
    }

    /// Looks once more before a destructive statement is sent.
    pub(super) async fn last_look(&mut self, demand: &Demand) -> Result<()> {
        let doomed = Doomed {
            columns: BTreeSet::new(),
            ..demand.doomed.clone()
        };
        let evidence = self.look_around(&doomed).await?;
        // A node that was restarted counts from nought: what it counts is held against the next look.
        let before = self.looked.take().filter(|before| !fell(&evidence, before));
        let looks = Looks {
            samples: 1,
            ..Looks::default()
        };
        let verdict = judge(demand, &evidence, before.as_ref(), looks);
        self.looked = Some(evidence);
        match verdict.open {
            true => Ok(()),
            false => Err(closed(demand.side, verdict)),
        }
    }

    /// Who was seen since the batch was taken on.
    pub(super) async fn read_sightings(&self, batch: i64) -> Result<Vec<Sighting>> {
        let mut found = Vec::new();
        for kind in ["seen", "gate"] {
            // One partition is read, which is the journal's.
            let query = format!(
                "SELECT toUnixTimestamp(at) AS ms, detail FROM {} WHERE incarnation = {} AND kind = '{kind}' AND \"batch\" = {batch} ALLOW FILTERING",
                self.recorder.names.journal, self.recorder.incarnation
            );
            let rows = self.sender.read(&query).await.map_err(Fault::error)?;
            let sighting = |row: Cells<'_>| {
                Sighting::read(kind, row.number("ms")? * 1000, row.text("detail")?)
            };
            found.extend(rows.iter().filter_map(sighting));
        }
        Ok(found)
    }
}

/// Adds what a member shows.
fn add(member: &Member, shown: Shown, doomed: &Doomed, evidence: &mut Evidence) {
    let node = &member.address;
    match shown.clients {
        Ok(rows) => {
            evidence.places.push(node.clone());
            let mut nameless = false;
            for row in rows.iter() {
                nameless |= !row.all().any(|(name, _)| name == "client_options");
                evidence.clients.extend(client(&row, node));
            }
            if nameless {
                evidence.unseen.push(Unseen {
                    check: Check::Nodes,
                    what: format!("{node}: Cassandra {} does not show what clients announce; 4.1 does", member.release),
                    next: "upgrade the cluster, or tell the versions apart by role: old_roles in [gate]".to_string(),
                });
            }
        }
        Err(fault) => evidence.unseen.push(unseen(member, fault)),
    }
    match shown.counts {
        Ok(counts) => {
            let counts = counts.into_iter();
            let counts = counts.map(|(table, count)| ((node.clone(), table), count));
            evidence.counts.extend(counts);
        }
        Err(fault) => evidence.unseen.push(Unseen {
            check: Check::Traffic,
            ..unseen(member, fault)
        }),
    }
    match shown.statements {
        Ok(rows) => {
            let texts = rows.iter().filter_map(|row| row.text("query_string"));
            let texts = texts.filter(|text| doomed.named(text).is_some());
            let texts = texts.map(|text| format!("{node}: {}", text.trim()));
            evidence.statements.extend(texts);
        }
        Err(fault) => evidence.statements.push(format!(
            "{node}: they could not be read ({})",
            fault.message
        )),
    }
}

/// A client as a node shows it; nothing where it is one of kmig's.
fn client(row: &Cells<'_>, node: &str) -> Option<Client> {
    let options = row.pairs("client_options");
    let option = |name: &str| {
        let found = options.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let name = option("APPLICATION_NAME").unwrap_or_default();
    let own = option("CLIENT_ID").is_some_and(|id| RunId::parse(id).is_some());
    if name == "kmig" && own {
        return None;
    }
    let driver = [row.text("driver_name"), row.text("driver_version")];
    let driver: Vec<&str> = driver.into_iter().flatten().collect();
    let keyspace = row.text("keyspace_name").map(|name| format!("in {name}"));
    let state = [(!driver.is_empty()).then(|| driver.join(" ")), keyspace];
    let state: Vec<String> = state.into_iter().flatten().collect();
    Some(Client {
        announced: announced(name, option("APPLICATION_VERSION")),
        role: row.text("username").map(str::to_string),
        host: row
            .get("address")
            .and_then(|address| address.as_inet())
            .map(|address| address.to_string()),
        place: node.to_string(),
        id: format!("port {}", row.number("port").unwrap_or_default()),
        state: (!state.is_empty()).then(|| state.join(", ")),
    })
}

/// A member that does not show something.
fn unseen(member: &Member, fault: Fault) -> Unseen {
    let Member {
        id,
        address,
        datacenter,
        ..
    } = member;
    let rights = fault.is(UNAUTHORIZED);
    Unseen {
        check: if rights { Check::Rights } else { Check::Nodes },
        what: format!("{address} ({datacenter}, host id {id}): {}", fault.message),
        next: match rights {
            true => "GRANT SELECT ON KEYSPACE system_views TO the role that kmig connects as",
            false => "bring the node back, or remove it from the ring (nodetool removenode)",
        }
        .to_string(),
    }
}
