//! What a client's name says of it (contract §6.3, traps P15). Pure.

use super::{Client, Demand, Side};
use crate::plan::version::Version;

/// NAMEDATALEN - 1: Postgres cuts longer names.
const NAME_MAX: usize = 63;

/// What a client is to the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of a name that belongs to no application.
    Ignored,
    /// It is not in the way.
    Fine,
    /// It is, and why.
    InTheWay(String),
}

/// What `name/version` says: nothing where it is not the application's name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Announced<'a> {
    Other,
    Version(&'a str, Version),
    Unreadable(&'static str),
}

/// Name and version as one text, however they were announced.
pub fn announced(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) if !version.is_empty() => format!("{name}/{version}"),
        _ => name.to_string(),
    }
}

/// The version that a client of the application announces, where it can be read.
pub fn version<'a>(app: &str, announced: &'a str) -> Option<&'a str> {
    match read(app, announced) {
        Announced::Version(text, _) => Some(text),
        _ => None,
    }
}

/// `name/version` up to the first blank: what a pooler or the application itself appends is cut.
fn read<'a>(app: &str, announced: &'a str) -> Announced<'a> {
    let first = announced.split(' ').next().unwrap_or_default();
    let (name, version) = match first.split_once('/') {
        Some((name, version)) => (name, Some(version)),
        None => (first, None),
    };
    if name != app {
        return Announced::Other;
    }
    let Some(version) = version else {
        return Announced::Unreadable("it announces no version");
    };
    if first.len() >= NAME_MAX {
        return Announced::Unreadable("its name may be cut, at 63 bytes");
    }
    match Version::read(version) {
        Some(read) => Announced::Version(version, read),
        None => Announced::Unreadable("its version cannot be read"),
    }
}

/// Whether a pooler has appended where the client came from: ` - host:port` (PgBouncer, application_name_add_host).
pub(super) fn pooled(announced: &str) -> bool {
    let Some((_, from)) = announced.rsplit_once(" - ") else {
        return false;
    };
    from.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether a name fits a pattern, in which `*` stands for any text; also the name in front of `/version`.
pub fn matches(pattern: &str, announced: &str) -> bool {
    let name = announced.split('/').next().unwrap_or_default();
    glob(pattern, announced) || glob(pattern, name)
}

fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(head) else {
        return false;
    };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| glob(tail, &rest[at..]))
}

/// What a client is to the gate.
pub(super) fn kind(demand: &Demand, client: &Client) -> Kind {
    let role = client.role.as_deref().unwrap_or_default();
    let old_role = demand.old_roles.iter().any(|old| old == role);
    if old_role {
        return match demand.side {
            Side::Old => Kind::InTheWay(format!("{role} is a role of the old version")),
            Side::New => Kind::Fine,
        };
    }
    let app = demand.app.as_deref().unwrap_or_default();
    match read(app, &client.announced) {
        Announced::Version(text, version) => versioned(demand, text, &version),
        Announced::Unreadable(why) => Kind::InTheWay(why.to_string()),
        Announced::Other => other(demand, client),
    }
}

/// A client of the application whose version can be read.
fn versioned(demand: &Demand, text: &str, version: &Version) -> Kind {
    let batch = demand.version.as_deref().and_then(Version::read);
    let below = batch.as_ref().is_some_and(|batch| version < batch);
    let equal = batch.as_ref() == Some(version);
    let seen = demand
        .seen
        .iter()
        .filter_map(|text| Version::read(text))
        .any(|seen| seen == *version);
    let batch = demand.version.as_deref().unwrap_or("?");
    match demand.side {
        Side::Old if below => Kind::InTheWay(format!("{text} is older than {batch}")),
        Side::Old if seen => {
            Kind::InTheWay(format!("{text} was connected already when up was run"))
        }
        Side::Old => Kind::Fine,
        Side::New if below || seen && !equal => Kind::Fine,
        Side::New if equal => Kind::InTheWay(format!("{text} is the version of the batch")),
        Side::New => Kind::InTheWay(format!("{text} is newer than {batch}")),
    }
}

/// A client that does not announce the application's name.
fn other(demand: &Demand, client: &Client) -> Kind {
    let ignored = demand
        .ignore
        .iter()
        .any(|pattern| matches(pattern, &client.announced));
    if ignored {
        return Kind::Ignored;
    }
    match (demand.old_roles.is_empty(), demand.side) {
        // By its role it is told apart.
        (false, Side::Old) => Kind::Fine,
        (false, Side::New) => Kind::InTheWay("it is of no role of the old version".to_string()),
        (true, _) => Kind::InTheWay(match client.announced.is_empty() {
            true => "it announces no name, so it cannot be told apart".to_string(),
            false => "it is not known to be no application".to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(side: Side) -> Demand {
        Demand {
            side,
            app: Some("gateway".to_string()),
            version: Some("3.1".to_string()),
            seen: ["3.0", "4.0"].map(str::to_string).into(),
            ignore: ["psql", "prom*", "batch"].map(str::to_string).into(),
            ..Demand::default()
        }
    }

    /// `old`, `fine` or `ignored`.
    fn word(demand: &Demand, announced: &str, role: &str) -> &'static str {
        let client = Client {
            announced: announced.to_string(),
            role: Some(role.to_string()),
            ..Client::default()
        };
        match kind(demand, &client) {
            Kind::Ignored => "ignored",
            Kind::Fine => "fine",
            Kind::InTheWay(_) => "in the way",
        }
    }

    #[test]
    fn names_at_a_finish() {
        let demand = demand(Side::Old);
        let cut = format!("gateway/3.1{}", "0".repeat(52));
        for (announced, wanted) in [
            ("gateway/3.1", "fine"),
            ("gateway/v3.1.0", "fine"),
            ("gateway/3.2 worker-7", "fine"),
            ("gateway/3.1 - 10.0.0.7:5432", "fine"),
            ("gateway/3.1-rc.1", "in the way"),
            ("gateway/3.0", "in the way"),
            ("gateway/2.9", "in the way"),
            // Not raised, or deployed before the up: it was there when up ran (traps P2).
            ("gateway/4.0.0", "in the way"),
            ("gateway", "in the way"),
            ("gateway/", "in the way"),
            ("gateway/3.1?", "in the way"),
            ("gateway/latest", "in the way"),
            (cut.as_str(), "in the way"),
            ("Gateway/3.1", "in the way"),
            ("gateway-admin/3.1", "in the way"),
            ("", "in the way"),
            ("psql", "ignored"),
            ("psql/15", "ignored"),
            ("psql2", "in the way"),
            ("prometheus_exporter", "ignored"),
            ("batch/1.0", "ignored"),
        ] {
            assert_eq!(word(&demand, announced, "app"), wanted, "{announced}");
        }
        assert_eq!(cut.len(), 63);
    }

    #[test]
    fn names_at_an_undo() {
        let demand = demand(Side::New);
        for (announced, wanted) in [
            ("gateway/3.1", "in the way"),
            ("gateway/3.2", "in the way"),
            ("gateway/3.0", "fine"),
            ("gateway/2.0", "fine"),
            ("gateway/4.0", "fine"),
            ("gateway", "in the way"),
            ("", "in the way"),
            ("psql", "ignored"),
        ] {
            assert_eq!(word(&demand, announced, "app"), wanted, "{announced}");
        }
        let mut same = demand;
        same.seen.insert("3.1".to_string());
        assert_eq!(word(&same, "gateway/3.1", "app"), "in the way");
    }

    #[test]
    fn roles_tell_apart_who_announces_nothing() {
        let mut demand = demand(Side::Old);
        demand.old_roles = vec!["app_1".to_string()];
        assert_eq!(word(&demand, "", "app_1"), "in the way");
        assert_eq!(word(&demand, "psql", "app_1"), "in the way");
        assert_eq!(word(&demand, "gateway/3.1", "app_1"), "in the way");
        assert_eq!(word(&demand, "", "app_2"), "fine");
        assert_eq!(word(&demand, "gateway/3.0", "app_2"), "in the way");
        demand.side = Side::New;
        assert_eq!(word(&demand, "", "app_1"), "fine");
        assert_eq!(word(&demand, "", "app_2"), "in the way");
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*é*", "café au lait", true),
            ("pg_*", "pg_dump", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn poolers_append_an_address() {
        assert!(pooled("gateway/3.1 - 10.0.0.7:5432"));
        assert!(pooled(" - [::1]:5432"));
        assert!(!pooled("gateway/3.1 - the blue one"));
        assert!(!pooled("gateway/3.1"));
    }
}
