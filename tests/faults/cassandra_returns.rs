//! Nodes that were away while something was dropped (traps C2): no id is used twice, so what they still have of it comes
//! back into nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::cassandra_nodes::{BASE, Case, FINISH_LINE, Ring, ring};
use crate::support::case::expect;
use crate::support::frame_proxy::{At, Harm};

/// Ids of the keyspace's tables that a node has, kmig's own left out: they stay.
fn ids(case: &Case, node: usize) -> BTreeSet<String> {
    let query = format!(
        "select table_name, id from system_schema.tables where keyspace_name = '{}'",
        case.keyspace
    );
    let rows = case.ring.cluster.node_cql(node, "", &query);
    let rows = rows.unwrap_or_else(|error| panic!("{error}"));
    let own = rows.lines().filter(|row| !row.starts_with("schema_meta"));
    own.filter_map(|row| Some(row.split_once('|')?.1.to_owned()))
        .collect()
}

/// Writes rows, for every replica that is there.
fn fill(case: &Case, table: &str) {
    for id in 1..=20 {
        let row = format!("insert into {table} (id) values ({id})");
        case.ring.cluster.run(&case.keyspace, &row);
    }
}

/// Kills a node that is not the coordinator once a statement that holds this was sent to it; which one.
fn kills_behind(ring: &'static Ring, statement: &str) -> Arc<Mutex<usize>> {
    let victim = Arc::new(Mutex::new(0));
    let chosen = Arc::clone(&victim);
    let kill = move |node: usize| {
        let other = node % 3 + 1;
        ring.cluster.kill(other);
        *chosen.lock().expect("the node") = other;
    };
    ring.proxy.heal();
    ring.proxy.harm(
        At::Statement(statement.to_owned()),
        Harm::Call(Box::new(kill)),
    );
    victim
}

/// Brings a node back by its number, once it was killed.
fn returns(ring: &Ring, victim: &Mutex<usize>) -> String {
    let node = *victim.lock().expect("the node");
    let address = ring.cluster.proxy_contact(node).ip().to_string();
    ring.cluster.restart(node);
    ring.cluster.await_agreement();
    address
}

#[test]
fn a_node_that_was_away_in_a_reset_brings_no_old_row_back() {
    let Some((ring, _turn)) = ring() else { return };
    let case = Case::new(ring, &[("kmig.toml", ""), BASE]);
    let reset = format!("kmig reset --database {} --yes", case.keyspace);
    let comment = format!(
        "select comment from system_schema.tables where keyspace_name = '{}' and table_name = 'schema_meta'",
        case.keyspace
    );
    let incarnation = || case.quorum(1, &comment);
    case.run("kmig bootstrap", 0);
    fill(&case, "users");
    let (first, before) = (ids(&case, 1), incarnation());
    let own = case.quorum(1, "select distinct incarnation from schema_meta");
    let floor = format!("update schema_meta set floor = '9.0' where incarnation = {own}");
    ring.cluster.run(&case.keyspace, &floor);

    // Away from the beginning: nothing is dropped. What is written meanwhile is kept for it.
    let [address, id] = ring.marks(3);
    ring.cluster.kill(3);
    fill(&case, "words");
    let refused = case.impatient(&reset).run();
    expect("reset", refused, 1, &[&address, &id, "nothing was run"]);
    assert_eq!(ids(&case, 1), first);
    ring.cluster.restart(3);

    // Away from the middle on.
    let victim = kills_behind(ring, "DROP TABLE");
    let stopped = case.struck(&reset);
    let address = returns(ring, &victim);
    expect("reset", stopped, 1, &[&address]);
    case.run(&reset, 0);
    case.run("kmig bootstrap", 0);

    for node in 1..=3 {
        let now = ids(&case, node);
        assert_eq!(now.len(), 2, "{now:?}");
        assert!(
            now.is_disjoint(&first),
            "an id is used twice: {now:?} and {first:?}"
        );
        for table in ["users", "words"] {
            let rows = case.quorum(node, &format!("select id from {table}"));
            assert_eq!(rows, "", "{table} has old rows");
        }
    }
    // The state is another one, so that none of the old can be read.
    assert_ne!(incarnation(), before);
    let floors = case.quorum(1, "select distinct incarnation, floor from schema_meta");
    assert!(!floors.contains("9.0"), "{floors}");
    case.says("kmig status", 0, &["001_base"]);
    case.says("kmig up", 0, &["Nothing new."]);
}

#[test]
fn a_node_that_died_behind_a_drop_brings_no_old_row_back() {
    let Some((ring, _turn)) = ring() else { return };
    let case = Case::new(ring, &[("kmig.toml", ""), BASE]);
    case.run("kmig bootstrap", 0);
    fill(&case, "words");
    let first = ids(&case, 1);
    for (path, text) in [
        (
            "migrations/core/002_drop/up.cql",
            "CREATE TABLE notes (id int PRIMARY KEY);\n",
        ),
        ("migrations/core/002_drop/finish.cql", "DROP TABLE words;\n"),
    ] {
        case.project.write(path, text);
    }
    case.run("kmig up", 0);
    let victim = kills_behind(ring, "DROP TABLE words");
    let stopped = case.struck(FINISH_LINE);
    let address = returns(ring, &victim);
    expect(
        "finish",
        stopped,
        1,
        &[&address, "continues where it stopped"],
    );
    case.run(FINISH_LINE, 0);
    // A table of the same name is another table.
    case.project.write(
        "migrations/core/003_again/up.cql",
        "CREATE TABLE words (id int PRIMARY KEY);\n",
    );
    case.run("kmig up", 0);
    let words = format!(
        "select id from system_schema.tables where keyspace_name = '{}' and table_name = 'words'",
        case.keyspace
    );
    for node in 1..=3 {
        let id = case
            .ring
            .cluster
            .node_cql(node, "", &words)
            .expect("ask a node");
        assert!(!first.contains(&id), "an id is used twice");
        assert_eq!(case.quorum(node, "select id from words"), "");
    }
}
