//! An upgrade from start to end, on a throw-away server, under live clients of both versions.
//!
//! `make demo`, or `cargo build && cargo run --example demo [-- path/to/kmig]`. It is over when everything is shown, ends with
//! an error where a client saw one, and removes what it made. `cassandra.rs` plays the same on Cassandra.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demo is its output"
)]

#[path = "../tests/support/mod.rs"]
mod support;

mod application;
mod postgres;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;

use application::{Version, Wrote};
use stage::{Stage, is_state, play};
use support::server::{Server, ServerOptions};

/// How many requests each client makes between two steps.
const BETWEEN: u64 = 200;

#[tokio::main]
async fn main() -> ExitCode {
    play(show()).await
}

async fn show() -> Result<(), String> {
    if !Server::available() {
        return Err("the demo needs a Postgres server: scripts/ensure-postgres".to_owned());
    }
    let server = Arc::new(Server::start(&ServerOptions::default()));
    server.create_database("gateway");
    let url = server.url("gateway");
    let stage = Stage::build(url.clone(), "")?;
    println!(
        "A throw-away server: {}",
        server.psql("gateway", "show server_version")
    );

    stage.chapter("Version 1.0 of the gateway");
    stage.say("The project holds the migrations of 1.0, the database is empty.");
    stage.kmig("bootstrap", 0, &[]).await?;
    let mut old = postgres::start(Version::One, &url, 4).await?;
    old.more_requests(BETWEEN).await?;
    stage.say("Four clients of gateway/1.0 read and write from now on:");
    stage.so_far(&[&old]);

    stage.chapter("The files of version 2.0 appear");
    stage.release_two();
    stage.kmig("plan up", 0, &[&old]).await?;

    stage.chapter("Expand: nothing that 1.0 needs is touched");
    stage.kmig("up", 0, &[&old]).await?;
    stage.kmig("status", 0, &[&old]).await?;

    stage.chapter("Side by side");
    let mut new = postgres::start(Version::Two, &url, 4).await?;
    old.more_requests(BETWEEN).await?;
    new.more_requests(BETWEEN).await?;
    stage
        .say("gateway/2.0 has joined; each version sees what the other writes, in its own column:");
    let sql =
        "select username, status, state from consumers where username like '%-0-0' order by id";
    stage.rows(
        &["username", "status (1.0)", "state (2.0)"],
        &server.psql("gateway", sql),
    );
    stage.so_far(&[&old, &new]);

    stage.chapter("Contract, too early");
    stage.say("1.0 is still at work. kmig sees its clients, and does not take its columns away:");
    stage.kmig("finish -y", 7, &[&old, &new]).await?;
    old.more_requests(BETWEEN).await?;
    new.more_requests(BETWEEN).await?;

    stage.chapter("Version 1.0 leaves, then contract");
    let (counted_old, wrote) = old.leave().await;
    stage.say("The clients of gateway/1.0 are gone, and the gate opens by itself:");
    stage.kmig("finish --gate-wait 1min -y", 0, &[&new]).await?;
    stage.kmig("status", 0, &[&new]).await?;
    new.more_requests(BETWEEN).await?;
    let (counted_new, _) = new.leave().await;

    let kept = kept(&server, &wrote).await?;
    stage.closing([counted_old, counted_new], kept, wrote.len())
}

/// How many of the consumers are there in the state that they were given last.
async fn kept(server: &Arc<Server>, wrote: &Wrote<i64>) -> Result<usize, String> {
    let client = server.client("gateway").await;
    let rows = client
        .query("select id, state from consumers", &[])
        .await
        .map_err(|error| error.to_string())?;
    let right = rows.iter().filter(|row| {
        let (id, state): (i64, &str) = (row.get("id"), row.get("state"));
        is_state(wrote.get(&id), state)
    });
    Ok(right.count())
}
