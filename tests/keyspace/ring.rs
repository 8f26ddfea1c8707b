//! A node of a ring that falls silent or dies while a keyspace is copied or compared. Both replicas are needed for every
//! answer, so that nothing goes on without it.

use crate::compare::same;
use crate::export_faults::{Stage, by_proxy};
use crate::import_faults::{TABLE, fill, fill_living};
use crate::imports::{export, target};
use crate::space::Space;
use crate::support::case::expect;
use crate::support::cassandra::{self, Options, available, shared};
use crate::support::frame_proxy::{At, Harm};
use crate::support::kmig::Output;
use std::sync::{MutexGuard, OnceLock};

/// What a command says when a request failed and is sent again.
const AGAIN: &str = "trying again for ";

/// Two nodes behind a proxy, both of which work.
fn ring() -> Option<(&'static Stage, MutexGuard<'static, ()>)> {
    static RING: OnceLock<Stage> = OnceLock::new();
    if !available() {
        return None;
    }
    let turn = cassandra::turn();
    let ring = RING.get_or_init(|| {
        let times = ["read", "range", "write"];
        Stage::start(Options {
            nodes: 2,
            yaml: times
                .map(|of| format!("{of}_request_timeout: 2000ms"))
                .into(),
            ..Options::default()
        })
    });
    ring.heal();
    Some((ring, turn))
}

/// How a command goes on whose node is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The node goes on, once the command has told of it.
    Resumed,
    /// The command is asked to stop, and run again.
    Asked,
    /// The command gives up, and is run again.
    GivenUp,
}

/// What is done with each node; that a command gives up takes a minute or two.
fn rounds() -> Vec<(usize, Then)> {
    let mut rounds = vec![(2, Then::Resumed), (1, Then::Resumed), (2, Then::Asked)];
    if std::env::var_os("KMIG_EVERY_POINT").is_some() {
        rounds.push((1, Then::GivenUp));
    }
    rounds
}

/// Runs a command, and pauses a node when a request with this text has been sent.
fn paused(
    stage: &Stage,
    space: &Space<'_>,
    line: &str,
    sent: &str,
    (node, then): (usize, Then),
) -> Output {
    stage.proxy.heal();
    stage.proxy.harm(At::Sent(sent.to_string()), Harm::Hold);
    let running = by_proxy(stage, space, line).start();
    let mut running = stage.proxy.await_struck_by(running);
    stage.cluster.pause(node);
    stage.proxy.release();
    running.await_line(AGAIN);
    match then {
        Then::Resumed => stage.cluster.cont(node),
        Then::Asked => running.signal("TERM"),
        Then::GivenUp => {}
    }
    let output = running.wait();
    stage.cluster.cont(node);
    let told = output.stderr.matches(AGAIN).count();
    assert_eq!(told, 1, "it is told once: {output}");
    let (code, text) = match then {
        Then::Resumed => (0, ""),
        Then::Asked => (143, "stopped by a signal"),
        Then::GivenUp => (1, "failed: "),
    };
    let next = if code == 0 { "" } else { "next: " };
    let command = if code == 0 { "" } else { "the same command" };
    expect(line, output, code, &[text, next, command])
}

#[test]
fn writes_that_time_out_are_told_once_and_sent_again() {
    let Some((stage, _turn)) = ring() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    // A time to live is counted from when a node gets to it: what it gets late lives that much longer.
    fill_living(&source, 12, "");
    for round in rounds() {
        let keyspace = target(&stage.cluster, TABLE);
        export(&source, &keyspace, "ex");
        let line = "kmig import ex --in-flight 4";
        let output = paused(stage, &keyspace, line, "value 7", round);
        let told = format!("writing to {}.t failed: ", keyspace.keyspace);
        assert!(output.stderr.contains(&told), "{output}");
        if output.code != 0 {
            expect(
                "again",
                by_proxy(stage, &keyspace, line).run(),
                0,
                &["Imported"],
            );
        }
        same(&keyspace, "ex", true);
        keyspace.says("kmig verify ex", 0, &["are equal"]);
    }
}

#[test]
fn reads_that_time_out_are_told_once_and_asked_again() {
    let Some((stage, _turn)) = ring() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    fill(&space, 12);
    for (at, round) in rounds().into_iter().enumerate() {
        let line = format!("kmig export --to out{at}");
        let read = format!("FROM \"{}\".\"t\" WHERE token", space.keyspace);
        let output = paused(stage, &space, &line, &read, round);
        let told = format!("reading {}.t failed: ", space.keyspace);
        assert!(output.stderr.contains(&told), "{output}");
        if output.code != 0 {
            expect(
                "again",
                by_proxy(stage, &space, &line).run(),
                0,
                &["Exported"],
            );
        }
        same(&space, &format!("out{at}"), true);
    }
}

#[test]
fn a_node_that_dies_while_keyspaces_are_compared_hides_no_difference() {
    let Some((stage, _turn)) = ring() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    fill(&source, 12);
    let target = target(shared(), TABLE);
    export(&source, &target, "ex");
    target.says("kmig import ex", 0, &["Imported"]);
    let url = stage
        .cluster
        .url_at(stage.cluster.proxy_contact(1), &source.keyspace);
    let line = format!("kmig verify --source '{url}' --parallel 1");
    stage.proxy.count_anew();
    target.says(&line, 0, &["are equal"]);
    let requests = stage.proxy.requests();
    // In the middle of the rows, and at the last pages.
    for (node, point, differs) in [
        (2, requests / 2, false),
        (1, requests / 2, true),
        (2, requests - 3, true),
    ] {
        target.cql(match differs {
            true => "update t using timestamp 150 set v = 'other' where p = 5 and c = 5",
            false => "",
        });
        stage.proxy.heal();
        stage.proxy.count_anew();
        stage.proxy.harm(At::After(point), Harm::Hold);
        let running = target.kmig(&line).start();
        let mut running = stage.proxy.await_struck_by(running);
        stage.cluster.kill(node);
        stage.proxy.release();
        running.await_line(AGAIN);
        stage.cluster.restart(node);
        let output = running.wait();
        let told = if differs {
            "t (p = 5, c = 5): v: "
        } else {
            "are equal"
        };
        let output = expect(&line, output, i32::from(differs), &[told]);
        assert_eq!(output.stderr.matches(AGAIN).count(), 1, "{output}");
    }
}
