//! Promise 2 on Cassandra, between frames: whatever dies, at whatever point, the same command continues to the same schema
//! and the same rows.
//!
//! A proxy counts the requests that kmig sends and their answers. A run is disturbed at one of them, before the request has
//! come to its node, behind it, or at the answer; then the command is run again, undisturbed. The points and the harms are
//! shared out, three of four are `kill -9`. With `KMIG_EVERY_POINT=1` kmig is killed behind every request of every command,
//! and then each is disturbed once more in another way; with `KMIG_EVERY_POINT=3/8` the third eighth of that is done, with
//! `1/2` the kills alone.

use std::io::Write;
use std::ops::Range;

use crate::cassandra_every_kind::{Stage, WALKS};
use crate::every_kind::Verb;
use crate::support::cassandra;
use crate::support::frame_proxy::{At, Harm};

/// How often the set is walked, each time with other points.
const TURNS: usize = 28;

/// How a run is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// `kill -9`.
    Killed,
    /// SIGTERM.
    Asked,
    /// Its connection is cut, and kmig lives.
    Cut,
}

/// How runs end; three of four are killed.
const ENDS: [End; 8] = [
    End::Killed,
    End::Killed,
    End::Asked,
    End::Killed,
    End::Killed,
    End::Killed,
    End::Cut,
    End::Killed,
];

#[test]
fn disturbed_at_any_frame_of_a_bootstrap_up_finish_and_undo() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let most = Verb::ALL.map(|verb| stage.requests(verb)).into_iter().max();
    // A turn has a walk, and there are two of them.
    let (turns, kills, ends, taken) = match std::env::var("KMIG_EVERY_POINT") {
        Ok(share) => {
            let turns = 2 * most.unwrap_or_default();
            let taken = share_of(2 * turns, &share);
            (turns, turns, &[End::Asked, End::Cut][..], taken)
        }
        Err(_) => (TURNS, 0, &ENDS[..], 0..TURNS),
    };
    let mut struck = 0;
    for turn in taken.clone() {
        let keyspace = stage.cluster.keyspace();
        for (order, verb) in WALKS[turn % 2].into_iter().enumerate() {
            let point = 1 + turn % turns * stage.requests(verb) / turns;
            let (at, end) = match turn {
                killed if killed < kills => (At::After(point), End::Killed),
                _ => mixed(turn + order, point, ends),
            };
            struck += usize::from(ends_at(&stage, &keyspace, verb, at, end));
        }
        stage.drop(&keyspace);
    }
    assert!(
        struck * 10 > taken.len() * WALKS[0].len() * 8,
        "only {struck} runs were disturbed"
    );
    let _ = writeln!(std::io::stderr(), "Cassandra: {struck} points");
}

/// A way of its own for each turn in which a request can be under way when the run ends.
fn mixed(turn: usize, point: usize, ends: &[End]) -> (At, End) {
    let at = match turn / ends.len() % 3 {
        0 => At::After(point),
        1 => At::Before(point),
        _ => At::Answer(point),
    };
    (at, ends[turn % ends.len()])
}

/// The share of so many turns that `3/8` names, the third of eight; all of them for anything else.
fn share_of(turns: usize, share: &str) -> Range<usize> {
    let share = share.split_once('/');
    let share =
        share.and_then(|(n, of)| Some((n.parse::<usize>().ok()?, of.parse::<usize>().ok()?)));
    match share {
        Some((n, of)) if (1..=of).contains(&n) => turns * (n - 1) / of..turns * n / of,
        _ => 0..turns,
    }
}

/// Disturbs a command at a point, and completes it; whether it had not ended before.
fn ends_at(stage: &Stage, keyspace: &str, verb: Verb, at: At, end: End) -> bool {
    let title = format!("{verb:?}, {end:?} at {at:?}");
    let line = &stage.line;
    line.heal();
    line.count_anew();
    let harm = match end {
        End::Killed | End::Asked => Harm::Hold,
        End::Cut => Harm::Cut,
    };
    line.harm(at, harm);
    let mut running = stage.kmig(verb, keyspace, verb.args()).start();
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
        _ => running.wait(),
    };
    if !struck {
        assert_eq!(output.code, 0, "{title}: {output}");
    }
    line.heal();
    stage.complete(verb, keyspace, &output, &title);
    struck
}
