//! The way to a new keyspace: other types, another key, while the application works on the old one.
//!
//! `make demo-keyspace`, or `cargo build && cargo run --example demo-keyspace`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demo is its output"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use support::cassandra::{self, Cluster, Options};
use support::kmig::{Project, project, words};

/// The keyspace of version 1.0: a number as the key, a number for the state, and lists.
const OLD: &str = "
    create table orders (id int primary key, customer text, state int, lines list<text>, notes map<text, text>);
";

/// What version 2.0 wants: a text as the key, in a partition for each tenant.
const NEW: &str = "
    create table orders (tenant text, id text, customer text, state bigint, lines list<text>, notes map<text, text>,
        primary key (tenant, id));
";

const MAPPING: &str = "[orders]
constant = { tenant = \"acme\" }
cast = { id = \"text\", state = \"bigint\" }
";

/// How many requests each client makes between two steps.
const BETWEEN: u64 = 60;

/// Clients of 1.0, each with orders of its own.
const CLIENTS: u64 = 3;

/// What live clients have done.
#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    stop: AtomicBool,
}

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<(), String> {
    if !cassandra::available() {
        return Err("the demo needs Cassandra: scripts/ensure-cassandra".to_owned());
    }
    let cluster = Cluster::start(Options::default());
    let old = cluster.create_keyspace();
    cluster.run(&old, OLD);
    let files = [
        (
            "kmig.toml",
            "[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 1 }\n",
        ),
        ("migrations/core/001_base/up.cql", NEW),
        ("mapping.toml", MAPPING),
    ];
    let project = project(&files);
    let counters = Counters::default();
    let clients = thread::scope(|scope| {
        let start = |client| {
            let (cluster, old, counters) = (&cluster, &old, &counters);
            scope.spawn(move || work(cluster, old, client, counters))
        };
        let mut running: Vec<_> = (0..CLIENTS).map(start).collect();
        let mut leave = || {
            counters.stop.store(true, Ordering::SeqCst);
            for client in running.drain(..) {
                // One that panicked has told so.
                let _ = client.join();
            }
        };
        let walked = walk(&cluster, &project, &old, &counters, &mut leave);
        leave();
        walked
    });
    clients?;
    let (requests, errors) = (
        counters.requests.load(Ordering::SeqCst),
        counters.errors.load(Ordering::SeqCst),
    );
    println!("\nClients of the old keyspace: {requests} requests, {errors} errors.");
    println!("DROP KEYSPACE {old} is yours to run, once nobody asks for it any more.");
    match errors {
        0 => Ok(()),
        _ => Err("the application saw errors".to_owned()),
    }
}

/// The whole way, under live clients until the switch.
fn walk(
    cluster: &Cluster,
    project: &Project,
    old: &str,
    counters: &Counters,
    leave: &mut dyn FnMut(),
) -> Result<(), String> {
    let kmig = |line: &str, keyspace: &str, code: i32| -> Result<(), String> {
        println!("\n$ kmig {line}");
        let words = words(line)?;
        let run = project.kmig(words).env("KMIG_URL", cluster.url(keyspace));
        let output = run.run();
        for line in output.stderr.lines().chain(output.stdout.lines()) {
            println!("{line}");
        }
        match output.code == code {
            true => Ok(()),
            false => Err(format!("it ended with {} instead of {code}", output.code)),
        }
    };
    more(counters, BETWEEN);
    println!(
        "Clients of version 1.0 write to the keyspace {old}; version 2.0 wants other types and another key."
    );
    kmig("bootstrap", "orders_2", 0)?;
    println!("\nThe first copy, while they write:");
    kmig("export --to first", old, 0)?;
    kmig("import first", "orders_2", 7)?;
    println!("\nEvery column has to be accounted for, so there is a mapping:\n\n{MAPPING}");
    kmig(
        "import first --mapping mapping.toml --dry-run",
        "orders_2",
        0,
    )?;
    kmig("import first --mapping mapping.toml", "orders_2", 0)?;
    kmig("verify first --mapping mapping.toml", "orders_2", 0)?;
    more(counters, BETWEEN);
    println!("\nWhat has changed since, deletions included:");
    kmig("export --since first --to second", old, 0)?;
    kmig("import second --mapping mapping.toml", "orders_2", 0)?;
    more(counters, BETWEEN);
    println!("\nThe switch: the writers of version 1.0 stop, and the last pass is short.");
    leave();
    kmig("export --since second --to third", old, 0)?;
    kmig("import third --mapping mapping.toml", "orders_2", 0)?;
    println!("\nThe proof: all of the old keyspace once more, compared with the new one.");
    kmig("export --to whole", old, 0)?;
    kmig("verify whole --mapping mapping.toml", "orders_2", 0)?;
    let rows = |keyspace: &str| cluster.run(keyspace, "select count(*) from orders");
    let (before, after) = (rows(old), rows("orders_2"));
    println!("\n{before} orders in the old keyspace, {after} in the new one.");
    match before == after {
        true => Ok(()),
        false => Err("the new keyspace has other orders".to_owned()),
    }
}

/// One client: makes, changes and deletes orders until it is stopped.
fn work(cluster: &Cluster, keyspace: &str, client: u64, counters: &Counters) {
    let mut made = 0;
    while !counters.stop.load(Ordering::SeqCst) {
        let id = client * 1_000_000 + made;
        let last = client * 1_000_000 + made.saturating_sub(1);
        let statement = match made % 6 {
            0 | 2 => format!(
                "insert into orders (id, customer, state, lines, notes) values ({id}, 'customer {id}', 1, ['a', 'b'], {{'by': '{client}'}})"
            ),
            1 => format!("update orders set lines = lines + ['c'], state = 2 where id = {last}"),
            3 => format!("delete notes['by'] from orders where id = {last}"),
            4 => format!(
                "insert into orders (id, customer, state) values ({id}, 'gone', 1) using ttl 86400"
            ),
            _ => format!("delete from orders where id = {last}"),
        };
        if cluster.cql(keyspace, &statement).is_err() {
            counters.errors.fetch_add(1, Ordering::SeqCst);
        }
        counters.requests.fetch_add(1, Ordering::SeqCst);
        made += 1;
    }
}

/// Waits until the clients have made so many requests more.
fn more(counters: &Counters, wanted: u64) {
    let goal = counters.requests.load(Ordering::SeqCst) + wanted * CLIENTS;
    while counters.requests.load(Ordering::SeqCst) < goal {
        thread::yield_now();
    }
}
