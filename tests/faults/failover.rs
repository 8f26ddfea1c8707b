//! Behind the address that kmig was given another server answers, in the middle of a run.

use crate::stage::{Stage, expect};
use crate::support::kmig::Running;
use crate::support::server::{Server, ServerOptions};
use crate::support::wire_proxy::WireProxy;

/// An `up` that stands at the gate, through a proxy.
fn held(stage: &Stage<'_>, line: &WireProxy) -> Running {
    let up = stage.project.kmig(["up", "--reconnect", "30s"]);
    stage.up_to_the_gate(up.env("KMIG_URL", line.url(&stage.database)))
}

/// Leads the address to another server, the old one being gone.
fn fail_over(from: &Server, to: &Server, line: &WireProxy) {
    line.lead_to(to.port());
    from.stop_immediate();
    line.cut();
}

#[test]
fn a_standby_that_has_every_record_is_gone_on_with() {
    if !Server::available() {
        return;
    }
    let primary = Server::start(&ServerOptions::default());
    let stage = Stage::new(&primary);
    let standby = Server::standby(&primary);
    let line = WireProxy::start(primary.port());
    let gate = stage.gate();
    let mut running = held(&stage, &line);
    stage.until(
        "select replay_lsn >= pg_current_wal_flush_lsn() and pg_current_wal_flush_lsn() = pg_current_wal_insert_lsn() from pg_stat_replication",
    );
    fail_over(&primary, &standby, &line);
    running.await_line("session was lost");
    standby.psql("postgres", "select pg_promote()");
    drop(gate);
    expect(running.wait(), 0, &["connected again", "6 statements"]);
    let stage = Stage {
        server: &standby,
        ..stage
    };
    stage.assert_done_once();
}

#[test]
fn a_standby_that_stays_one_is_no_place_to_go_on() {
    if !Server::available() {
        return;
    }
    let primary = Server::start(&ServerOptions::default());
    let stage = Stage::new(&primary);
    let standby = Server::standby(&primary);
    let line = WireProxy::start(primary.port());
    let gate = stage.gate();
    let up = stage.project.kmig(["up", "--reconnect", "1s"]);
    let running = stage.up_to_the_gate(up.env("KMIG_URL", line.url(&stage.database)));
    fail_over(&primary, &standby, &line);
    drop(gate);
    let texts =
        ["connecting again was tried for 1 s: the server that answers is a read-only standby"];
    expect(running.wait(), 1, &texts);
}

/// The standby has no longer followed when the run began.
#[test]
fn a_standby_that_lacks_records_stops_the_run() {
    if !Server::available() {
        return;
    }
    let primary = Server::start(&ServerOptions::default());
    let stage = Stage::new(&primary);
    let standby = Server::standby(&primary);
    stage.until("select replay_lsn >= pg_current_wal_insert_lsn() from pg_stat_replication");
    standby.psql("postgres", "select pg_promote()");
    let line = WireProxy::start(primary.port());
    let gate = stage.gate();
    let running = held(&stage, &line);
    fail_over(&primary, &standby, &line);
    drop(gate);
    let texts = [
        "the server that took over has not got the last 3 of the transactions",
        "nothing was run there",
        "then kmig up",
    ];
    expect(running.wait(), 1, &texts);
    assert_eq!(standby.psql(&stage.database, "select n from log"), "");
}

#[test]
fn another_server_stops_the_run() {
    if !Server::available() {
        return;
    }
    let (one, other) = (
        Server::start(&ServerOptions::default()),
        Server::start(&ServerOptions::default()),
    );
    let stage = Stage::new(&one);
    other.create_database(&stage.database);
    let line = WireProxy::start(one.port());
    let gate = stage.gate();
    let running = held(&stage, &line);
    fail_over(&one, &other, &line);
    drop(gate);
    let texts = [
        "it is another server, with another system identifier",
        "next:",
    ];
    expect(running.wait(), 1, &texts);
    assert_eq!(
        other.psql(&stage.database, "select to_regclass('schema_meta') is null"),
        "t"
    );
}

#[test]
fn a_database_that_was_made_anew_stops_the_run() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let stage = Stage::new(&server);
    let line = WireProxy::start(server.port());
    let gate = stage.gate();
    let mut running = held(&stage, &line);
    line.refuse(true);
    line.cut();
    running.await_line("session was lost");
    let name = &stage.database;
    server.psql("postgres", &format!("drop database {name} (force)"));
    server.create_database(name);
    line.refuse(false);
    drop(gate);
    expect(
        running.wait(),
        1,
        &["another database of the same name", "next:"],
    );
    assert_eq!(stage.sql("select to_regclass('schema_meta') is null"), "t");
}
