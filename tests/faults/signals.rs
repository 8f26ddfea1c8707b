//! Signals, at the moments when kmig is not simply in a statement; and a kmig that is stopped for long and continued.

use crate::stage::{Stage, expect, kill};
use crate::support::case::shell;
use crate::support::server::{Server, ServerOptions};
use crate::support::wire_proxy::WireProxy;

#[test]
fn a_signal_in_a_statement_cancels_it_and_says_what_is_left() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
        let gate = stage.gate();
        let running = stage.up_to_the_gate(stage.kmig(&["up"]));
        running.signal(signal);
        let texts = [
            "stopped by a signal: canceling statement",
            "migrations/core/003_gate/up.sql:2:1",
            "now: the up part of core/003_gate was rolled back as a whole",
            "next: kmig up",
        ];
        expect(running.wait(), code, &texts);
        // The lock is given back at once, and nothing is left open.
        stage.until("select count(*) = 0 from pg_stat_activity where datname = current_database() and application_name like 'kmig%'");
        drop(gate);
    }
    expect(stage.kmig(&["up"]).run(), 0, &[]);
    stage.assert_done_once();
}

/// Behind a line that is dead the server cannot be told, so the first signal has to wait for it.
#[test]
fn a_second_signal_leaves_at_once() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let line = WireProxy::start(stage.server.port());
    for (first, second, code) in [("INT", "INT", 130), ("TERM", "HUP", 143)] {
        let gate = stage.gate();
        let up = stage.project.kmig(["up"]);
        let mut running = stage.up_to_the_gate(up.env("KMIG_URL", line.url(&stage.database)));
        line.hold();
        running.signal(first);
        running.await_line("once more to leave at once");
        running.signal(second);
        let texts = ["left without waiting", "now:", "next: "];
        expect(running.wait(), code, &texts);
        line.release();
        drop(gate);
    }
    expect(stage.kmig(&["up"]).run(), 0, &[]);
    stage.assert_done_once();
}

#[test]
fn a_signal_while_it_waits_for_another_executor_leaves_at_once() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let gate = stage.gate();
    let holder = stage.up_to_the_gate(stage.kmig(&["up"]));
    let mut waiting = stage.kmig(&["up", "--lock-wait", "1h"]).start();
    waiting.await_line("waiting for another executor");
    waiting.signal("INT");
    expect(
        waiting.wait(),
        130,
        &["stopped by a signal: nothing more was begun"],
    );
    drop(gate);
    expect(holder.wait(), 0, &[]);
    stage.assert_done_once();
}

#[test]
fn a_signal_while_it_connects_again_leaves_at_once() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let stage = Stage::new(&server);
    let gate = stage.gate();
    let mut running = stage.up_to_the_gate(stage.kmig(&["up", "--reconnect", "1h"]));
    server.stop_immediate();
    drop(gate);
    running.await_line("session was lost");
    running.signal("TERM");
    let texts = ["it was not tried to connect again", "now:", "next:"];
    expect(running.wait(), 143, &texts);
    server.start_again();
    expect(stage.kmig(&["up"]).run(), 0, &[]);
    stage.assert_done_once();
}

/// A server that accepts and says nothing.
#[test]
fn a_signal_while_it_connects_leaves_at_once() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let line = WireProxy::start(stage.server.port());
    line.hold();
    let url = line.url(&stage.database) + "?connect_timeout=0";
    let mut running = stage.kmig(&["-v", "up"]).env("KMIG_URL", url).start();
    running.await_line("connecting");
    running.signal("INT");
    expect(
        running.wait(),
        130,
        &["stopped by a signal", "now: nothing was run"],
    );
}

#[test]
fn under_nohup_a_hangup_does_not_count() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let gate = stage.gate();
    let command = shell(stage.project.path(), "trap '' HUP; exec \"$KMIG\" up");
    let url = stage.server.url(&stage.database);
    let running = stage.up_to_the_gate(command.env("KMIG_URL", url));
    running.signal("HUP");
    drop(gate);
    expect(running.wait(), 0, &[]);
    stage.assert_done_once();
}

/// Nobody reads what kmig says, from the middle of the run on.
#[test]
fn readers_that_go_in_the_middle_stop_nothing() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let gate = stage.gate();
    // Both streams lead to a reader of one line.
    let line = "{ \"$KMIG\" up 2>&1; echo \"code $?\" > code; } | head -n 1";
    let command = shell(stage.project.path(), line);
    let url = stage.server.url(&stage.database);
    let mut running = stage.up_to_the_gate(command.env("KMIG_URL", url));
    running.await_line("core/002_insert up");
    drop(gate);
    expect(running.wait(), 0, &[]);
    assert_eq!(stage.project.read("code"), "code 0\n");
    stage.assert_done_once();
}

#[test]
fn a_kmig_that_is_stopped_and_continued_goes_on() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let gate = stage.gate();
    let running = stage.up_to_the_gate(stage.kmig(&["up"]));
    let pid = running.pid().to_string();
    kill("STOP", &pid);
    // Stopped it still has its session, and with it the lock.
    let mut waiting = stage.kmig(&["up"]).start();
    waiting.await_line("waiting for another executor");
    drop(gate);
    kill("CONT", &pid);
    expect(running.wait(), 0, &["core/005_index"]);
    expect(waiting.wait(), 0, &["Nothing new."]);
    stage.assert_done_once();
}

/// What another executor has taken over is not touched any more.
#[test]
fn a_kmig_that_lost_its_session_while_it_was_stopped_runs_no_further_statement() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(Server::shared());
    let gate = stage.gate();
    let running = stage.up_to_the_gate(stage.kmig(&["up"]));
    let pid = running.pid().to_string();
    kill("STOP", &pid);
    stage.sql("select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = current_database() and application_name like 'kmig%'");
    drop(gate);
    expect(stage.kmig(&["up"]).run(), 0, &["core/003_gate"]);
    kill("CONT", &pid);
    let output = expect(running.wait(), 1, &["somebody ended kmig's session"]);
    assert!(!output.stderr.contains("core/003_gate up\n"), "{output}");
    stage.assert_done_once();
}
