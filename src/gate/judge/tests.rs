use super::*;
use crate::gate::{Doomed, Feed, Prepared, Unseen};
use std::time::Duration;

fn demand() -> Demand {
    Demand {
        app: Some("gateway".to_string()),
        version: Some("2.0".to_string()),
        seen: ["1.0".to_string()].into(),
        pending: 1,
        window: Duration::from_secs(10),
        ..Demand::default()
    }
}

fn client(announced: &str) -> Client {
    Client {
        announced: announced.to_string(),
        id: "pid 7".to_string(),
        ..Client::default()
    }
}

/// The questions that keep the gate closed.
fn closed(demand: &Demand, now: &Evidence, before: Option<&Evidence>) -> Vec<&'static str> {
    let verdict = judge(demand, now, before, Looks::default());
    assert_eq!(verdict.open, verdict.closed().next().is_none());
    verdict.closed().map(|line| line.check.word()).collect()
}

#[test]
fn an_old_client_closes_it_and_is_named() {
    let mut now = Evidence::default();
    assert!(closed(&demand(), &now, None).is_empty());
    now.clients = vec![client("gateway/2.0"), client("gateway/1.0"), client("")];
    assert_eq!(closed(&demand(), &now, None), ["clients"]);
    let verdict = judge(&demand(), &now, None, Looks::default());
    let line = verdict.closed().next().expect("a line");
    assert!(line.evidence.starts_with("2 clients"), "{line:?}");
    assert!(
        line.who
            .iter()
            .any(|who| who.starts_with("gateway/1.0 (pid 7)")),
        "{line:?}"
    );
}

#[test]
fn without_a_name_or_a_version_it_is_closed() {
    for (app, version) in [(None, Some("2.0")), (Some("gateway"), None)] {
        let demand = Demand {
            app: app.map(str::to_string),
            version: version.map(str::to_string),
            ..demand()
        };
        assert_eq!(closed(&demand, &Evidence::default(), None), ["app"]);
    }
}

#[test]
fn what_cannot_be_seen_closes_it() {
    for check in [Check::Rights, Check::Poolers, Check::Standbys, Check::Nodes] {
        let now = Evidence {
            unseen: vec![Unseen {
                check,
                what: "something".to_string(),
                next: "look there".to_string(),
            }],
            ..Evidence::default()
        };
        assert_eq!(closed(&demand(), &now, None), [check.word()]);
    }
    let now = Evidence {
        clients: vec![client("gateway/2.0 - 10.0.0.1:5000")],
        ..Evidence::default()
    };
    assert_eq!(closed(&demand(), &now, None), ["poolers"]);
}

#[test]
fn each_receiver_is_looked_at_or_known_to_serve_nobody() {
    let feed = |name: &str| Feed {
        name: name.to_string(),
        line: format!("standby {name}"),
    };
    let mut now = Evidence {
        feeds: vec![feed("one"), feed("two")],
        replicas: 1,
        ..Evidence::default()
    };
    assert_eq!(closed(&demand(), &now, None), ["standbys"]);
    let mut quiet = demand();
    quiet.no_readers = true;
    assert!(closed(&quiet, &now, None).is_empty());
    let mut archiver = demand();
    archiver.ignore = vec!["two".to_string()];
    assert!(closed(&archiver, &now, None).is_empty());
    now.replicas = 2;
    assert!(closed(&demand(), &now, None).is_empty());
}

#[test]
fn transactions_that_were_prepared_before_the_window() {
    let prepared = |owner: &str, seconds| Prepared {
        gid: "x".to_string(),
        owner: owner.to_string(),
        seconds,
    };
    let mut now = Evidence {
        prepared: vec![prepared("app", 9)],
        ..Evidence::default()
    };
    assert!(closed(&demand(), &now, None).is_empty());
    now.prepared.push(prepared("app", 10));
    assert_eq!(closed(&demand(), &now, None), ["prepared"]);
    let mut by_role = demand();
    by_role.old_roles = vec!["app_1".to_string()];
    assert!(closed(&by_role, &now, None).is_empty());
    now.prepared.push(prepared("app_1", 10));
    assert_eq!(closed(&by_role, &now, None), ["prepared"]);
}

#[test]
fn counters_stand_still() {
    let counts = |one, two| Evidence {
        counts: [("a", one), ("b", two)]
            .map(|(node, count)| ((node.to_string(), "t".to_string()), count))
            .into(),
        ..Evidence::default()
    };
    let mut demand = demand();
    demand.doomed = Doomed {
        tables: ["t".to_string()].into(),
        ..Doomed::default()
    };
    let first = counts(5, 7);
    assert!(closed(&demand, &counts(5, 7), Some(&first)).is_empty());
    assert_eq!(closed(&demand, &counts(5, 8), Some(&first)), ["traffic"]);
    assert!(!fell(&counts(6, 7), &first));
    assert!(fell(&counts(5, 0), &first));
    assert!(fell(&Evidence::default(), &first));
}

#[test]
fn somebodys_word_opens_it() {
    let now = Evidence {
        clients: vec![client("gateway/1.0")],
        ..Evidence::default()
    };
    let verdict = judge(&demand(), &now, None, Looks::default()).overridden("CHG-1");
    assert!(verdict.open);
    assert_eq!(
        verdict.lines.last().map(|line| line.check),
        Some(Check::Override)
    );
}
