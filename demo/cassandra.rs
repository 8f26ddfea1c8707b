//! The upgrade of `main.rs` on Cassandra: three throw-away nodes, under live clients of both versions.
//!
//! `make demo-cassandra`, or `cargo build && cargo run --example demo-cassandra [-- path/to/kmig]`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demo is its output"
)]

#[path = "../tests/support/mod.rs"]
mod support;

mod application;
mod cql;
mod stage;

use std::process::ExitCode;

use application::{Version, Wrote};
use cql::Session;
use stage::{Stage, is_state, play};
use support::cassandra::{self, Cluster, Options};

/// How many requests each client makes between two steps.
const BETWEEN: u64 = 60;

/// What kmig.toml says beside the sample's own.
const SETTINGS: &str =
    "\n[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 3 }\n";

#[tokio::main]
async fn main() -> ExitCode {
    play(show()).await
}

async fn show() -> Result<(), String> {
    if !cassandra::available() {
        return Err("the demo needs Cassandra: scripts/ensure-cassandra".to_owned());
    }
    let start = || {
        Cluster::start(Options {
            nodes: 3,
            ..Options::default()
        })
    };
    let cluster = tokio::task::spawn_blocking(start).await;
    let cluster = cluster.map_err(|error| error.to_string())?;
    let stage = Stage::build(cluster.url("gateway"), SETTINGS)?;
    let version = cluster.run("", "select release_version from system.local");
    println!("Three throw-away nodes of Cassandra {version}");

    stage.chapter("Version 1.0 of the gateway");
    stage.say("The project holds the migrations of 1.0, and there is no keyspace.");
    stage.kmig("bootstrap", 0, &[]).await?;
    let one = Session::open(Version::One, &cluster).await?;
    let mut old = one.start(4).await?;
    old.more_requests(BETWEEN).await?;
    stage.say("Four clients of gateway/1.0 read and write at QUORUM from now on:");
    stage.so_far(&[&old]);

    stage.chapter("The files of version 2.0 appear");
    stage.release_two();
    stage.kmig("plan up", 0, &[&old]).await?;

    stage.chapter("Expand: nothing that 1.0 needs is touched");
    stage.kmig("up", 0, &[&old]).await?;
    stage.kmig("status", 0, &[&old]).await?;

    stage.chapter("Side by side");
    let two = Session::open(Version::Two, &cluster).await?;
    let mut new = two.start(4).await?;
    old.more_requests(BETWEEN).await?;
    new.more_requests(BETWEEN).await?;
    stage.say("gateway/2.0 has joined. It writes both columns, and reads the number where there is no word:");
    let cql = "select username, status, state from consumers where username in ('gateway/1.0-0-0', 'gateway/2.0-0-0')";
    stage.rows(
        &["username", "status (1.0)", "state (2.0)"],
        &cluster.run("gateway", cql),
    );
    stage.so_far(&[&old, &new]);

    stage.chapter("Contract, too early");
    stage.say("1.0 is still at work. kmig sees its clients at each node, and does not take its column away:");
    stage.kmig("finish -y", 7, &[&old, &new]).await?;
    old.more_requests(BETWEEN).await?;
    new.more_requests(BETWEEN).await?;

    stage.chapter("Version 1.0 leaves, and its rows are not filled");
    let (counted_old, wrote) = old.leave().await;
    let repeated = one.repeated();
    drop(one);
    stage.say("The clients of gateway/1.0 leave, and the gate opens by itself. The ready part finds that 2.0 has not done its job yet:");
    let finish = "finish --gate-wait 1min -y";
    stage.kmig(finish, 7, &[&new]).await?;
    let filled = two.fill().await?;
    // Whoever was in the middle of a request has begun another one by now.
    new.more_requests(2).await?;
    stage.say(&format!(
        "gateway/2.0 has filled {filled} rows, and uses its own column alone from now on."
    ));

    stage.chapter("Contract");
    stage.kmig(finish, 0, &[&new]).await?;
    stage.kmig("status", 0, &[&new]).await?;
    new.more_requests(BETWEEN).await?;
    let (counted_new, _) = new.leave().await;

    let rows = cluster.run("gateway", "select username, state from consumers");
    let kept = kept(&rows, &wrote);
    stage.say(&format!(
        "\nSent again, since nodes that did not agree on the schema yet could not answer: {} of gateway/1.0, {} of gateway/2.0.",
        repeated,
        two.repeated()
    ));
    stage.closing([counted_old, counted_new], kept, wrote.len())
}

/// How many of the consumers are there in the state that they were given last.
fn kept(rows: &str, wrote: &Wrote<String>) -> usize {
    let rows = rows.lines().filter_map(|row| row.split_once('|'));
    rows.filter(|(name, state)| is_state(wrote.get(*name), state))
        .count()
}
