//! What kmig costs over a network: round trips, and the time that they take at several delays.
//!
//! `make bench`. Each command runs through a proxy that counts bursts to the server and delays every piece; the database
//! is a throw-away server on this machine. Each number is the median of five runs.

#![allow(clippy::print_stdout, reason = "a bench is its output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::kmig::{Project, project, words};
use support::proxy::Proxy;
use support::server::Server;

/// Each command is run so often; odd, so that one is in the middle.
const RUNS: usize = 5;

/// Milliseconds that a piece is under way in one direction.
const ONE_WAY: [u64; 4] = [0, 1, 5, 20];

/// A command on twenty migrations, so many of which are bootstrapped before it, which does not count.
struct Case {
    title: &'static str,
    before: usize,
    line: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        title: "status, nothing to do",
        before: 20,
        line: "kmig status",
    },
    Case {
        title: "up, nothing to do",
        before: 20,
        line: "kmig up",
    },
    Case {
        title: "bootstrap, 20 migrations",
        before: 0,
        line: "kmig bootstrap",
    },
    Case {
        title: "up, 19 migrations",
        before: 1,
        line: "kmig up",
    },
];

#[tokio::main]
async fn main() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let target = ([127, 0, 0, 1], server.port()).into();
    let proxy = Proxy::start(target, Duration::ZERO).await;
    let whole = tables(20);
    print!("{:<28}{:>12}", "", "round trips");
    ONE_WAY
        .iter()
        .for_each(|ms| print!("{:>12}", format!("{} ms", 2 * ms)));
    println!();
    for case in &CASES {
        let mut round_trips = 0;
        let mut times = Vec::new();
        for ms in ONE_WAY {
            let mut runs = Vec::new();
            for _ in 0..RUNS {
                let database = server.database();
                if case.before > 0 {
                    let url = server.url(&database);
                    run(&tables(case.before), "kmig bootstrap", &url).await;
                }
                proxy.set_delay(Duration::from_millis(ms));
                proxy.reset();
                let url = format!("postgres://postgres@{}/{database}", proxy.address());
                runs.push(run(&whole, case.line, &url).await);
                round_trips = proxy.round_trips();
            }
            runs.sort_unstable();
            times.push(runs[RUNS / 2]);
        }
        print!("{:<28}{round_trips:>12}", case.title);
        times
            .iter()
            .for_each(|time| print!("{:>12}", format!("{:.1}", time.as_secs_f64() * 1000.0)));
        println!("  ms");
    }
    println!("\nColumns: the network's round trip. Times are of the whole process, start to end.");
}

/// A project of so many migrations, each a table and a comment on it.
fn tables(count: usize) -> Project {
    let project = project(&[("kmig.toml", "[app]\nname = \"bench\"\nversion = \"1\"\n")]);
    for number in 1..=count {
        let sql = format!(
            "create table t{number} (id bigint primary key, name text);\n\
             comment on table t{number} is 'table {number}';\n"
        );
        project.write(&format!("migrations/core/{number:03}_t/up.sql"), &sql);
    }
    project
}

async fn run(project: &Project, line: &str, url: &str) -> Duration {
    let words = words(line).expect("a command line");
    let kmig = project.kmig(&words[1..]).env("KMIG_URL", url);
    let since = Instant::now();
    let output = tokio::task::spawn_blocking(|| kmig.run())
        .await
        .expect("run kmig");
    let time = since.elapsed();
    assert_eq!(output.code, 0, "{line}: {output}");
    time
}
