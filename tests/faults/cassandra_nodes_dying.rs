//! Nodes that die or fall silent while a statement that changes the schema is on its way.

use crate::cassandra_nodes::{Case, Ring, ring};
use crate::support::case::expect;
use crate::support::frame_proxy::{At, Harm};
use std::sync::{Arc, Mutex};

/// Statements of [`crate::cassandra_nodes::NEXT`], by how they begin.
const STATEMENTS: [&str; 3] = [
    "CREATE TABLE notes",
    "ALTER TABLE users ADD",
    "CREATE INDEX users_state",
];

/// Which node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// The one that the statement was sent to.
    Coordinator,
    /// Another one.
    Other,
}

/// Loses a node behind the sending of each statement, before its answer: the run ends with 1 and names it, or came through;
/// with the node back the same command completes, and each statement has taken effect once.
fn completes(lost: Lost, lose: fn(&Ring, usize), back: fn(&Ring, usize)) {
    let Some((ring, _turn)) = ring() else { return };
    for statement in STATEMENTS {
        let what = format!("{statement}, {lost:?}");
        let case = Case::upgrade(ring);
        let victim = Arc::new(Mutex::new(0));
        let chosen = Arc::clone(&victim);
        ring.proxy.heal();
        ring.proxy.harm(
            At::Statement(statement.to_owned()),
            Harm::Call(Box::new(move |node| {
                let node = match lost {
                    Lost::Coordinator => node,
                    Lost::Other => node % 3 + 1,
                };
                lose(ring, node);
                *chosen.lock().expect("the node") = node;
            })),
        );
        let output = case.struck("kmig up");
        let victim = *victim.lock().expect("the node");
        let address = ring.cluster.proxy_contact(victim).ip().to_string();
        expect(&what, output, 1, &[&address, "continues where it stopped"]);
        let there = victim % 3 + 1;
        let meta = "select name, state from schema_meta";
        assert!(
            !case.quorum(there, meta).contains("002_next|executed"),
            "{what}"
        );

        back(ring, victim);
        ring.cluster.await_agreement();
        case.run("kmig up", 0);
        case.is_upgraded();
        case.run("kmig up", 0);
    }
}

#[test]
fn a_node_that_dies_behind_a_statement_is_named_and_the_run_is_completed() {
    completes(
        Lost::Other,
        |ring, node| ring.cluster.kill(node),
        |ring, node| ring.cluster.restart(node),
    );
}

#[test]
fn a_coordinator_that_dies_behind_a_statement_is_named_and_the_run_is_completed() {
    completes(
        Lost::Coordinator,
        |ring, node| ring.cluster.kill(node),
        |ring, node| ring.cluster.restart(node),
    );
}

#[test]
fn a_node_that_falls_silent_behind_a_statement_is_named_and_the_run_is_completed() {
    completes(
        Lost::Other,
        |ring, node| ring.cluster.pause(node),
        |ring, node| ring.cluster.cont(node),
    );
}

#[test]
fn a_coordinator_that_falls_silent_behind_a_statement_is_named_and_the_run_is_completed() {
    completes(
        Lost::Coordinator,
        |ring, node| ring.cluster.pause(node),
        |ring, node| ring.cluster.cont(node),
    );
}
