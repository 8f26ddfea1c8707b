//! The line between kmig and the server breaks, falls silent or is slow, and the server ends sessions: the same process
//! connects again and goes on, unless somebody wanted it to stop.

use std::time::{Duration, Instant};

use crate::stage::{Stage, expect, kill};
use crate::support::kmig::project;
use crate::support::proxy::Proxy;
use crate::support::server::{Server, ServerOptions};
use crate::support::wire_proxy::{At, Harm, WireProxy};

/// Bounds of seconds instead of a minute: a session is given up after about four.
const SOON: &str = "?keepalives_idle=1&keepalives_interval=1&keepalives_count=1&connect_timeout=2";

#[test]
fn the_wire_proxy_counts_messages_and_does_harm_at_one() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let line = WireProxy::start(server.port());
    let project = project(&[
        ("kmig.toml", ""),
        ("migrations/core/001_a/up.sql", "create table a ();"),
    ]);
    let bootstrap = || {
        let command = project.kmig(["bootstrap", "--reconnect", "0"]);
        command.env("KMIG_URL", line.url(&server.database())).run()
    };
    expect(bootstrap(), 0, &[]);
    let undisturbed = line.messages();
    for harm in [Harm::Cut, Harm::Reset] {
        for at in [At::Before(3), At::After(3)] {
            line.count_anew();
            line.harm(at, harm);
            expect(bootstrap(), 1, &[]);
            assert!(undisturbed > line.messages());
        }
    }
}

/// The server is stopped while kmig waits in a statement, and comes back.
fn stopped(stop: impl Fn(&Server)) {
    if !Server::available() {
        return;
    }
    // Commits that do not wait for the disk stay off it for long: a crash loses them, if it loses any.
    let server = Server::start(&ServerOptions {
        conf: vec!["wal_writer_delay = '10s'".to_owned()],
        ..ServerOptions::default()
    });
    let stage = Stage::new(&server);
    let gate = stage.gate();
    let running = stage.up_to_the_gate(stage.kmig(&["up"]));
    stop(&server);
    server.start_again();
    drop(gate);
    let texts = [
        "session was lost",
        "connected again",
        "Expanded 4 migrations: 6 statements.",
    ];
    expect(running.wait(), 0, &texts);
    stage.assert_done_once();
}

#[test]
fn a_server_that_crashes_and_comes_back_is_gone_on_with() {
    stopped(Server::stop_immediate);
}

#[test]
fn a_server_that_is_restarted_is_gone_on_with() {
    stopped(Server::stop_fast);
}

#[test]
fn a_crash_of_another_server_process_is_gone_on_from() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let stage = Stage::new(&server);
    let gate = stage.gate();
    let running = stage.up_to_the_gate(stage.kmig(&["up"]));
    kill("KILL", &gate.pid);
    expect(running.wait(), 0, &["session was lost", "connected again"]);
    stage.assert_done_once();
}

#[test]
fn a_server_that_stays_away_is_given_up_after_a_while() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let stage = Stage::new(&server);
    let gate = stage.gate();
    let running = stage.up_to_the_gate(stage.kmig(&["up", "--reconnect", "500ms"]));
    server.stop_immediate();
    drop(gate);
    let texts = [
        "connecting again was tried for 0.5 s",
        "next: once the server answers again, kmig up",
    ];
    expect(running.wait(), 1, &texts);
    server.start_again();
    expect(stage.kmig(&["up"]).run(), 0, &[]);
    stage.assert_done_once();
}

/// Whoever ends kmig's session means it.
#[test]
fn an_ended_session_stops_kmig_and_a_cancelled_statement_is_not_repeated() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    for (function, code, text) in [
        (
            "pg_terminate_backend",
            "57P01",
            "somebody ended kmig's session",
        ),
        ("pg_cancel_backend", "57014", "canceling statement"),
    ] {
        let stage = Stage::new(server);
        let gate = stage.gate();
        let running = stage.up_to_the_gate(stage.kmig(&["up"]));
        stage.sql(&format!(
            "select {function}(pid) from pg_stat_activity where datname = current_database() and wait_event = 'advisory'"
        ));
        let output = expect(running.wait(), 1, &[code, text, "now:", "next:"]);
        assert!(!output.stderr.contains("connected again"), "{output}");
        assert_eq!(stage.sql("select n from log"), "2");
        drop(gate);
        expect(stage.kmig(&["up"]).run(), 0, &[]);
        stage.assert_done_once();
    }
}

#[test]
fn an_error_with_the_code_of_a_lost_connection_is_an_error() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    // As a statement does that calls another server which is not there.
    let raise = "do $$ begin raise exception 'elsewhere' using errcode = '08006'; end $$;";
    stage
        .project
        .write("migrations/core/003_gate/up.sql", raise);
    let output = expect(stage.kmig(&["up"]).run(), 1, &["08006", "elsewhere"]);
    assert!(!output.stderr.contains("connected again"), "{output}");
    assert_eq!(stage.sql("select n from log"), "2");
}

#[test]
fn a_statement_that_ends_its_server_process_is_not_tried_for_ever() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let stage = Stage::new(&server);
    let suicide =
        "-- kmig:allow server-file because test\ncopy (select 1) to program 'kill -9 $PPID';";
    stage
        .project
        .write("migrations/core/003_gate/up.sql", suicide);
    let texts = ["lost 3 times, and nothing was done", "now:", "next:"];
    expect(stage.kmig(&["up"]).run(), 1, &texts);
    let begun = Instant::now();
    let rows = loop {
        // The server is still getting up from the last of it.
        match server.try_psql(&stage.database, "select n from log") {
            Ok(rows) => break rows,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
        }
    };
    // A crash may lose what had not reached the disk, together with its record.
    assert!(["", "2"].contains(&rows.as_str()), "{rows}");
}

/// Each answer to a COMMIT is lost, in one run after the other.
fn commit_answers(harm: Harm, options: &[&str], reconnects: bool) {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let line = WireProxy::start(server.port());
    for answer in 1.. {
        let stage = Stage::new(server);
        line.count_anew();
        line.harm(At::CommitAnswer(answer), harm);
        let url = line.url(&stage.database) + SOON;
        let mut args = vec!["up"];
        args.extend_from_slice(options);
        let mut running = stage.project.kmig(&args).env("KMIG_URL", &url).start();
        if !line.struck_or(|| running.has_ended()) {
            expect(running.wait(), 0, &[]);
            assert!(answer > 5, "there were {answer} answers only");
            return;
        }
        let output = running.wait();
        if reconnects {
            // What the lost transactions turned out to have done is counted, once.
            let done = "Expanded 4 migrations: 6 statements.";
            expect(output, 0, &["connected again", done]);
        } else {
            expect(
                output,
                1,
                &["now:", "next: once the server answers again, kmig up"],
            );
            expect(stage.kmig(&["up"]).run(), 0, &[]);
        }
        stage.assert_done_once();
        line.heal();
    }
}

#[test]
fn a_lost_answer_to_a_commit_is_read_back() {
    commit_answers(Harm::Cut, &[], true);
}

#[test]
fn a_lost_answer_to_a_commit_is_read_back_by_the_next_run() {
    commit_answers(Harm::Cut, &["--reconnect", "0"], false);
}

/// Cuts, resets and silences the connection at messages of the run; what is silenced is noticed within a bound.
fn line_faults(harm: Harm, messages: impl Iterator<Item = usize>) {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let line = WireProxy::start(server.port());
    for message in messages {
        let stage = Stage::new(server);
        line.count_anew();
        line.harm(At::After(message), harm);
        let url = line.url(&stage.database) + SOON;
        let mut running = stage.project.kmig(["up"]).env("KMIG_URL", &url).start();
        if !line.struck_or(|| running.has_ended()) {
            expect(running.wait(), 0, &[]);
            return;
        }
        running.await_line("session was lost");
        // What is swallowed stays so: the server does not learn that its session was given up, unless kmig ends it.
        if harm != Harm::Swallow {
            line.release();
        }
        expect(running.wait(), 0, &["connected again"]);
        stage.assert_done_once();
        line.heal();
    }
}

/// From the first message under the lock on.
const LOCKED: usize = 5;

#[test]
fn a_connection_that_is_reset_is_made_again() {
    line_faults(Harm::Reset, (LOCKED..).step_by(3));
}

#[test]
fn a_line_that_falls_silent_is_noticed() {
    line_faults(Harm::Hold, [LOCKED + 3, LOCKED + 8].into_iter());
}

#[test]
fn a_session_that_falls_silent_while_others_are_heard_is_noticed() {
    line_faults(Harm::Swallow, [LOCKED + 4, LOCKED + 9].into_iter());
}

#[test]
fn a_line_that_stays_silent_is_given_up() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let line = WireProxy::start(server.port());
    let stage = Stage::new(server);
    line.harm(At::After(LOCKED + 4), Harm::Hold);
    let url = line.url(&stage.database) + SOON;
    let up = stage.project.kmig(["up", "--reconnect", "1s"]);
    let texts = ["session was lost", "connecting again was tried for 1 s"];
    expect(up.env("KMIG_URL", &url).run(), 1, &texts);
    drop(line);
    expect(stage.kmig(&["up"]).run(), 0, &[]);
    stage.assert_done_once();
}

/// Nobody limits how long the server may work.
#[test]
fn a_statement_that_takes_long_is_not_taken_for_silence() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let stage = Stage::new(server);
    let gate = stage.gate();
    let url = stage.server.url(&stage.database) + SOON;
    let up = stage.project.kmig(["-v", "up", "--lock-timeout", "1min"]);
    let mut running = stage.up_to_the_gate(up.env("KMIG_URL", &url));
    // Each look that finds it at work is told; twelve of them are three times the bound.
    for _ in 0..12 {
        running.await_line("AtWork");
    }
    drop(gate);
    let output = expect(running.wait(), 0, &[]);
    assert!(!output.stderr.contains("session was lost"), "{output}");
    stage.assert_done_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_is_only_slow() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let stage = Stage::new(server);
    let line = WireProxy::start(server.port());
    line.in_pieces_of(1);
    let url = line.url(&stage.database);
    let output = stage.project.kmig(["up"]).env("KMIG_URL", url).run();
    expect(output, 0, &[]);
    stage.assert_done_once();

    let stage = Stage::new(server);
    let target = ([127, 0, 0, 1], server.port()).into();
    let proxy = Proxy::start(target, Duration::from_millis(250)).await;
    let url = format!(
        "postgres://postgres@{}/{}{SOON}",
        proxy.address(),
        stage.database
    );
    let since = Instant::now();
    let output = stage.project.kmig(["up"]).env("KMIG_URL", url).run();
    let output = expect(output, 0, &[]);
    assert!(!output.stderr.contains("session was lost"), "{output}");
    // No look from a second connection, and no more round trips than it takes: the time is theirs.
    let trips = proxy.round_trips();
    assert!(trips < 40, "{trips} round trips in {:?}", since.elapsed());
    stage.assert_done_once();
}
