//! What a look says of the gate. Pure.

use super::client::{Kind, kind, pooled};
use super::words::{grouped, named};
use super::{Check, Client, Demand, Evidence, Line, Looks, Side, Standing, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Judges one look. `before` is the first look of the window, against which counters are held.
pub fn judge(demand: &Demand, now: &Evidence, before: Option<&Evidence>, looks: Looks) -> Verdict {
    let mut lines = Vec::new();
    if demand.side == Side::Old {
        lines.push(expanded(demand));
    }
    lines.push(match demand.app.is_some() && demand.version.is_some() {
        true => clients(demand, now, looks),
        false => unnamed(demand),
    });
    lines.extend(unseen(now));
    lines.extend(poolers(now));
    lines.extend(standbys(demand, now));
    lines.extend(prepared(demand, now));
    if demand.side == Side::Old && !demand.doomed.tables.is_empty() {
        lines.push(traffic(demand, now, before, looks));
    }
    if !now.statements.is_empty() {
        lines.push(Line {
            check: Check::Statements,
            standing: Standing::Warning,
            evidence: "no evidence that a dropped column is not used: these prepared statements name one, and may be stale".to_string(),
            who: now.statements.clone(),
            next: None,
        });
    }
    Verdict {
        open: lines.iter().all(|line| line.standing != Standing::Closed),
        lines,
        looks,
    }
}

/// Whether a counter fell: a node was restarted, and the window with it.
pub fn fell(now: &Evidence, before: &Evidence) -> bool {
    before
        .counts
        .iter()
        .any(|(key, count)| now.counts.get(key).is_none_or(|now| now < count))
}

fn expanded(demand: &Demand) -> Line {
    clear(
        Check::Expand,
        match demand.pending {
            1 => "expand and backfill of 1 pending migration are complete".to_string(),
            n => format!("expand and backfill of {n} pending migrations are complete"),
        },
    )
}

fn clear(check: Check, evidence: String) -> Line {
    Line {
        check,
        standing: Standing::Clear,
        evidence,
        who: Vec::new(),
        next: None,
    }
}

/// Without a name and a version nobody can be told apart.
fn unnamed(demand: &Demand) -> Line {
    let missing = match (&demand.app, &demand.version) {
        (None, None) => "name and version in [app] are not set",
        (None, _) => "name in [app] is not set",
        _ => "version in [app] is not set, and the batch has none",
    };
    Line {
        check: Check::App,
        standing: Standing::Closed,
        evidence: format!("{missing}: nobody can say which clients are old"),
        who: Vec::new(),
        next: Some(
            "set name and version in [app] of kmig.toml, and let the application announce itself as name/version (application_name on Postgres, application name and version of the driver on Cassandra)"
                .to_string(),
        ),
    }
}

fn clients(demand: &Demand, now: &Evidence, looks: Looks) -> Line {
    let mut in_the_way: BTreeMap<String, Vec<&Client>> = BTreeMap::new();
    let (mut fine, mut ignored) = (Vec::new(), 0);
    for client in &now.clients {
        match kind(demand, client) {
            Kind::Fine => fine.push(client),
            Kind::Ignored => ignored += 1,
            Kind::InTheWay(why) => in_the_way.entry(why).or_default().push(client),
        }
    }
    let app = demand.app.as_deref().unwrap_or_default();
    let version = demand.version.as_deref().unwrap_or_default();
    if in_the_way.is_empty() {
        let whose = match demand.side {
            Side::Old => format!("no client of {app} older than {version}"),
            Side::New => format!("no client of {app}/{version}"),
        };
        let mut evidence = format!("{whose} seen{}", looked(now, looks));
        if !fine.is_empty() {
            evidence += &format!("; connected: {}", named(&fine));
        }
        if ignored > 0 {
            evidence += &format!("; {ignored} ignored");
        }
        let connected: BTreeSet<&str> = now
            .clients
            .iter()
            .map(|client| client.announced.as_str())
            .collect();
        let gone: Vec<String> = demand
            .last_seen
            .iter()
            .filter(|(name, _)| !connected.contains(name.as_str()))
            .filter(|(name, _)| super::version(app, name).is_some())
            .map(|(name, at)| format!("{name} at {at}"))
            .collect();
        if !gone.is_empty() {
            evidence += &format!("; last seen: {}", gone.join(", "));
        }
        return clear(Check::Clients, evidence);
    }
    let count: usize = in_the_way.values().map(Vec::len).sum();
    let whose = match demand.side {
        Side::Old => format!("the old version of {app}"),
        Side::New => format!("{app}/{version}"),
    };
    let evidence = match count {
        1 => format!("a client of {whose}, or one that cannot be told apart, is connected"),
        n => format!("{n} clients of {whose}, or that cannot be told apart, are connected"),
    };
    Line {
        check: Check::Clients,
        standing: Standing::Closed,
        evidence,
        who: in_the_way
            .iter()
            .flat_map(|(why, clients)| grouped(why, clients))
            .collect(),
        next: Some(match demand.side {
            Side::Old => "take the old version down; names of what is no application go into ignore in [gate]".to_string(),
            Side::New => "take the new version down; names of what is no application go into ignore in [gate]".to_string(),
        }),
    }
}

/// ` in 11 looks over 10 s at …`.
fn looked(now: &Evidence, looks: Looks) -> String {
    let places: BTreeSet<&str> = now.places.iter().map(String::as_str).collect();
    let at = match places.len() {
        0 => String::new(),
        1..=4 => {
            let places: Vec<&str> = places.into_iter().collect();
            format!(" at {}", places.join(", "))
        }
        n => format!(" at {n} places"),
    };
    match looks.samples {
        0 | 1 => format!(" in one look{at}"),
        n => format!(" in {n} looks over {:.1} s{at}", looks.over.as_secs_f64()),
    }
}

/// What could not be seen, a line for each question that it leaves open.
fn unseen(now: &Evidence) -> Vec<Line> {
    let mut lines: BTreeMap<Check, Line> = BTreeMap::new();
    for unseen in &now.unseen {
        let line = lines.entry(unseen.check).or_insert_with(|| Line {
            check: unseen.check,
            standing: Standing::Closed,
            evidence: match unseen.check {
                Check::Rights => "some sessions are hidden from this role",
                Check::Standbys => "a replica could not be looked at",
                Check::Poolers => "a pooler could not be looked through",
                Check::Nodes => "a node could not be looked at",
                Check::Traffic => "it is not known who uses what is dropped",
                _ => "not everything can be seen",
            }
            .to_string(),
            who: Vec::new(),
            next: Some(unseen.next.clone()),
        });
        if !line.who.contains(&unseen.what) {
            line.who.push(unseen.what.clone());
        }
    }
    lines.into_values().collect()
}

/// Clients that come through a pooler which is not looked through: only the last of those that share a session shows.
fn poolers(now: &Evidence) -> Option<Line> {
    let through: Vec<&Client> = now
        .clients
        .iter()
        .filter(|client| pooled(&client.announced))
        .collect();
    (!through.is_empty()).then(|| Line {
        check: Check::Poolers,
        standing: Standing::Closed,
        evidence: "clients come through a pooler, where the server shows only the last of those that share a session".to_string(),
        who: grouped("", &through),
        next: Some("name its admin console in poolers of [gate]: postgres://user@pooler:6432/pgbouncer".to_string()),
    })
}

fn standbys(demand: &Demand, now: &Evidence) -> Option<Line> {
    let feeds: Vec<&str> = now
        .feeds
        .iter()
        .filter(|feed| {
            let ignored = |pattern: &String| super::matches(pattern, &feed.name);
            !demand.ignore.iter().any(ignored)
        })
        .map(|feed| feed.line.as_str())
        .collect();
    if feeds.is_empty() || demand.no_readers {
        return None;
    }
    if now.replicas >= feeds.len() {
        let evidence = format!("{} looked at as well", counted(now.replicas, "replica"));
        return Some(clear(Check::Standbys, evidence));
    }
    Some(Line {
        check: Check::Standbys,
        standing: Standing::Closed,
        evidence: format!(
            "{} may serve readers that this server does not see, and {} looked at",
            counted(feeds.len(), "receiver"),
            match now.replicas {
                0 => "none of them was".to_string(),
                1 => "one replica was".to_string(),
                n => format!("{n} replicas were"),
            }
        ),
        who: feeds.into_iter().map(str::to_string).collect(),
        next: Some(
            "replicas = [\"postgres://…\"] in [gate] for each that serves readers, replicas = \"no-readers\" where none does; a name in ignore for one that is an archiver"
                .to_string(),
        ),
    })
}

/// A transaction that was prepared before the window began is of a client that may be gone, and of no known version.
fn prepared(demand: &Demand, now: &Evidence) -> Option<Line> {
    let old_roles = &demand.old_roles;
    let who: Vec<String> = now
        .prepared
        .iter()
        .filter(|prepared| prepared.seconds >= demand.window.as_secs())
        .filter(|prepared| {
            let of_old = old_roles.contains(&prepared.owner);
            old_roles.is_empty() || of_old == (demand.side == Side::Old)
        })
        .map(|prepared| {
            format!(
                "{} by {}, {} s ago",
                prepared.gid, prepared.owner, prepared.seconds
            )
        })
        .collect();
    (!who.is_empty()).then(|| Line {
        check: Check::Prepared,
        standing: Standing::Closed,
        evidence: format!(
            "{} of a version that nobody knows",
            counted(who.len(), "prepared transaction")
        ),
        who,
        next: Some("COMMIT PREPARED or ROLLBACK PREPARED each of them".to_string()),
    })
}

/// Whether the counters of what is dropped stood still, at every node.
fn traffic(demand: &Demand, now: &Evidence, before: Option<&Evidence>, looks: Looks) -> Line {
    let tables: Vec<&str> = demand.doomed.tables.iter().map(String::as_str).collect();
    let tables = tables.join(", ");
    let Some(before) = before else {
        return Line {
            check: Check::Traffic,
            standing: Standing::Warning,
            evidence: format!(
                "whether {tables} is still used is asked over {} s",
                demand.window.as_secs_f64()
            ),
            who: Vec::new(),
            next: None,
        };
    };
    let moved: Vec<String> = now
        .counts
        .iter()
        .filter_map(|(key, count)| {
            let by = count - before.counts.get(key)?;
            let (node, table) = key;
            (by > 0).then(|| format!("{table} at {node}: {by} more requests"))
        })
        .collect();
    if moved.is_empty() {
        return clear(
            Check::Traffic,
            format!(
                "no request for {tables} at {} in {:.1} s",
                counted(now.places.len(), "node"),
                looks.over.as_secs_f64()
            ),
        );
    }
    Line {
        check: Check::Traffic,
        standing: Standing::Closed,
        evidence: format!("{tables} is still read or written"),
        who: moved,
        next: Some(
            "find out who uses it: a client of the old version, or somebody by hand".to_string(),
        ),
    }
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
