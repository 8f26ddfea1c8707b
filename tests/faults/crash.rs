//! Promise 2, between messages: whatever dies, at whatever point, the same command continues to the same objects and the
//! same rows.
//!
//! A proxy counts the messages that kmig sends. A run is ended when the n-th one has come to the server, for n = 1, 2, 3 …
//! until a run comes to its end by itself; then the command is run again, undisturbed. `kill -9` takes every point; the other
//! ways to end a run share them out, to be done sooner: with `KMIG_EVERY_POINT=1` each takes all.

use std::io::Write;
use std::sync::Arc;

use crate::every_kind::{Stage, Verb};
use crate::support::server::Server;
use crate::support::wire_proxy::{At, Harm, WireProxy};

/// How a run is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// `kill -9`.
    Killed,
    /// SIGTERM, which kmig answers by cancelling and leaving.
    Asked,
    /// The connection is cut, and kmig lives.
    Cut,
    /// The server crashes and comes back.
    ServerCrashed,
    /// A COMMIT is done, and its answer is lost with the connection.
    CommitUnheard,
}

#[test]
fn killed_at_any_point_of_a_bootstrap() {
    everywhere(End::Killed, &[Verb::Bootstrap]);
}

#[test]
fn killed_at_any_point_of_an_up() {
    everywhere(End::Killed, &[Verb::Up]);
}

#[test]
fn killed_at_any_point_of_a_finish() {
    everywhere(End::Killed, &[Verb::Finish]);
}

#[test]
fn killed_at_any_point_of_an_undo() {
    everywhere(End::Killed, &[Verb::Undo]);
}

#[test]
fn asked_to_stop_at_any_point() {
    everywhere(End::Asked, &Verb::ALL);
}

#[test]
fn cut_off_at_any_point() {
    everywhere(End::Cut, &Verb::ALL);
}

#[test]
fn a_server_that_crashes_at_any_point() {
    everywhere(End::ServerCrashed, &Verb::ALL);
}

#[test]
fn any_answer_to_a_commit_lost() {
    everywhere(End::CommitUnheard, &Verb::ALL);
}

#[test]
fn what_kmig_said_is_done_survives_a_crash_of_the_server() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new();
    for verb in Verb::ALL {
        let database = stage.start_of(verb);
        let output = stage.kmig(verb, &database, verb.args()).run();
        stage.server.stop_immediate();
        assert_eq!(output.code, 0, "{output}");
        stage.server.start_again();
        stage.complete(verb, &database, &output, "after a crash at the end");
    }
}

/// Ends the commands at their points.
fn everywhere(end: End, verbs: &[Verb]) {
    if !Server::available() {
        return;
    }
    let stage = match end {
        End::ServerCrashed => Arc::new(Stage::new()),
        _ => Stage::shared(),
    };
    let all = std::env::var_os("KMIG_EVERY_POINT").is_some();
    let (first, step) = match end {
        _ if all => (1, 1),
        // Every other point would not do: a run's messages come in pairs, and one of each pair would never be tried.
        End::Killed | End::CommitUnheard => (1, 1),
        End::Asked => (1, 3),
        End::Cut => (2, 3),
        End::ServerCrashed => (3, 3),
    };
    for &verb in verbs {
        let points = (first..).step_by(step);
        let ended = points.take_while(|&point| ends_at(&stage, verb, point, end));
        let count = ended.count();
        assert!(count > 1, "{verb:?} was ended {count} times only");
        let _ = writeln!(std::io::stderr(), "{verb:?} {end:?}: {count} points");
    }
}

/// Ends a command at a point, and completes it; whether it had not ended before.
fn ends_at(stage: &Stage, verb: Verb, point: usize, end: End) -> bool {
    let title = format!("{verb:?}, {end:?} at {point}");
    let database = stage.start_of(verb);
    let line = WireProxy::start(stage.server.port());
    match end {
        End::Killed | End::Asked | End::ServerCrashed => line.harm(At::After(point), Harm::Hold),
        End::Cut => line.harm(At::After(point), Harm::Cut),
        End::CommitUnheard => line.harm(At::CommitAnswer(point), Harm::Cut),
    }
    let url = line.url(&database);
    let mut running = stage.kmig_by(&url, verb, verb.args()).start();
    let struck = line.struck_or(|| running.has_ended());
    let output = match end {
        End::Killed if struck => {
            let output = running.kill();
            line.release();
            output
        }
        End::Asked if struck => {
            running.signal("TERM");
            line.release();
            running.wait()
        }
        End::ServerCrashed if struck => {
            stage.server.stop_immediate();
            line.release();
            stage.server.start_again();
            running.wait()
        }
        _ => running.wait(),
    };
    if !struck {
        assert_eq!(output.code, 0, "{title}: {output}");
    }
    stage.complete(verb, &database, &output, &title);
    struck
}
