//! A thousand migrations, a CREATE TABLE and a CREATE INDEX each: kmig beside psql and refinery, in one run.
//!
//! `make bench`. psql runs the same statements with a transaction and a history row for each migration, which is the
//! least that any honest runner does. The runners take turns, each on a fresh database; a figure is the median of the
//! rounds, and what counts is the ratio.

#![allow(clippy::print_stdout, reason = "a bench is its output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kmig::plan::{App, Command, plan};
use kmig::safety::judge::Against;
use kmig::safety::{Known, Scope, judge};
use kmig::source::{Dialect, load, parse};
use support::kmig::{Project, project};
use support::proxy::Proxy;
use support::server::{Server, ServerOptions};

/// Migrations of a set.
const MIGRATIONS: usize = 1_000;

/// Rounds; odd, so that one is in the middle.
const ROUNDS: usize = 5;

/// One direction of a network whose round trip takes 0.8 ms.
const ONE_WAY: Duration = Duration::from_micros(400);

/// Bytes of COPY data in the large part.
const LARGE: usize = 500_000_000;

/// The one who runs the set.
#[derive(Clone, Copy)]
enum Runner {
    Kmig,
    Psql,
    Refinery,
}

impl Runner {
    const ALL: [Runner; 3] = [Runner::Kmig, Runner::Psql, Runner::Refinery];

    fn name(self) -> &'static str {
        match self {
            Runner::Kmig => "kmig bootstrap",
            Runner::Psql => "psql -f",
            Runner::Refinery => "refinery",
        }
    }
}

/// The set in each runner's form.
struct Set {
    project: Project,
    script: String,
}

#[tokio::main]
async fn main() {
    if !Server::available() {
        return;
    }
    let set = set();
    reading(&set);
    for (title, fsync, delay) in [
        ("local, fsync off", false, None),
        ("local, fsync on", true, None),
        ("0.8 ms round trip, fsync off", false, Some(ONE_WAY)),
    ] {
        // A new server makes its log files as it goes, which takes longer than all the rest; a server that has run for a
        // while has them already.
        let conf = ["min_wal_size = 2GB", "max_wal_size = 4GB"].map(str::to_owned);
        let server = Server::start(&ServerOptions {
            fsync,
            conf: conf.into(),
            ..ServerOptions::default()
        });
        apply(title, &server, &set, delay).await;
        if delay.is_none() && !fsync {
            nothing_to_do(&server, &set).await;
            large(&server).await;
        }
    }
}

fn statements(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (id bigint PRIMARY KEY, name text, created timestamptz);\n\
         CREATE INDEX t{number}_name ON t{number} (name);\n"
    )
}

fn set() -> Set {
    let project = project(&[("kmig.toml", "")]);
    let mut script = String::from(
        "CREATE TABLE history (version int PRIMARY KEY, name text, applied timestamptz DEFAULT now());\n",
    );
    for number in 1..=MIGRATIONS {
        let sql = statements(number);
        project.write(&format!("migrations/core/{number:04}_t/up.sql"), &sql);
        let _ = write!(
            script,
            "BEGIN;\n{sql}INSERT INTO history (version, name) VALUES ({number}, 't{number}');\nCOMMIT;\n"
        );
    }
    Set { project, script }
}

/// Reading, parsing and planning the whole set, and judging it, without a database.
fn reading(set: &Set) {
    let folder = set.project.path().join("migrations");
    let mut times = Vec::new();
    let mut judging = Vec::new();
    for _ in 0..ROUNDS {
        let since = Instant::now();
        let read = load::read(&folder, "migrations", Dialect::Postgres).expect("the set is there");
        let files = parse::set(read, &BTreeMap::new(), Dialect::Postgres).expect("it is in order");
        let plan = plan(&files, None, &App::default(), &Command::Bootstrap).expect("it is fresh");
        assert_eq!(plan.steps.len(), MIGRATIONS);
        times.push(since.elapsed());
        let since = Instant::now();
        let scopes = Scope::each(&files.migrations);
        let known = Known::default();
        let judgement = judge(Dialect::Postgres, &scopes, &known, Against::Files);
        assert_eq!(judgement.refused().count(), 0);
        judging.push(since.elapsed());
    }
    println!(
        "reading and planning {MIGRATIONS} migrations: {:.1} ms, judging them: {:.1} ms\n",
        milliseconds(median(&mut times)),
        milliseconds(median(&mut judging))
    );
}

async fn apply(title: &str, server: &Server, set: &Set, delay: Option<Duration>) {
    let target = ([127, 0, 0, 1], server.port()).into();
    let proxy = Proxy::start(target, delay.unwrap_or_default()).await;
    let mut times: [Vec<Duration>; 3] = Default::default();
    let mut trips = [0; 3];
    for round in 0..=ROUNDS {
        for (at, runner) in Runner::ALL.into_iter().enumerate() {
            let database = server.database();
            server.psql(&database, "CHECKPOINT");
            let address = match delay {
                Some(_) => proxy.address().to_string(),
                None => format!("127.0.0.1:{}", server.port()),
            };
            let url = format!("postgres://postgres@{address}/{database}");
            proxy.reset();
            let since = Instant::now();
            run(runner, server, set, &url).await;
            // The first round only warms the server up.
            if round > 0 {
                times[at].push(since.elapsed());
            }
            trips[at] = proxy.round_trips();
            let tables = server.psql(
                &database,
                "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'",
            );
            assert_eq!(tables, MIGRATIONS.to_string());
            server.psql("postgres", &format!("DROP DATABASE {database}"));
        }
    }
    let medians = times.map(|mut times| median(&mut times));
    println!("{MIGRATIONS} migrations, {title}");
    for (at, runner) in Runner::ALL.into_iter().enumerate() {
        let ratio = medians[at].as_secs_f64() / medians[1].as_secs_f64();
        let trips = match delay {
            Some(_) => format!("{:>7} round trips", trips[at]),
            None => String::new(),
        };
        println!(
            "  {:<16}{:>8.0} ms  {ratio:>5.2} x psql{trips}",
            runner.name(),
            milliseconds(medians[at])
        );
    }
    println!();
}

async fn run(runner: Runner, server: &Server, set: &Set, url: &str) {
    match runner {
        Runner::Kmig => {
            let kmig = set.project.kmig(["bootstrap", "-q"]).env("KMIG_URL", url);
            let output = tokio::task::spawn_blocking(|| kmig.run()).await;
            let output = output.expect("kmig runs");
            assert_eq!(output.code, 0, "{output}");
        }
        Runner::Psql => {
            let file = set.project.path().join("all.sql");
            fs::write(&file, &set.script).expect("write the script");
            let mut command = std::process::Command::new(server.program("psql"));
            command
                .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"])
                .arg(&file)
                .stdout(Stdio::null());
            let status = tokio::task::spawn_blocking(move || command.status()).await;
            assert!(status.expect("psql runs").expect("psql starts").success());
        }
        Runner::Refinery => {
            let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
                .await
                .expect("connect");
            let driver = tokio::spawn(connection);
            let migrations: Vec<_> = (1..=MIGRATIONS)
                .map(|number| {
                    refinery_core::Migration::unapplied(
                        &format!("V{number}__t{number}"),
                        &statements(number),
                    )
                    .expect("a good name")
                })
                .collect();
            refinery_core::Runner::new(&migrations)
                .run_async(&mut client)
                .await
                .expect("refinery runs");
            drop(client);
            let _ = driver.await;
        }
    }
}

/// The run of a pod that finds everything done, beside psql's `select 1`.
async fn nothing_to_do(server: &Server, set: &Set) {
    let database = server.database();
    let url = server.url(&database);
    run(Runner::Kmig, server, set, &url).await;
    let (mut kmig, mut psql) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 4 {
        let since = Instant::now();
        let output = set.project.kmig(["up", "-q"]).env("KMIG_URL", &url).run();
        kmig.push(since.elapsed());
        assert_eq!(output.code, 0, "{output}");
        let since = Instant::now();
        server.psql(&database, "select 1");
        psql.push(since.elapsed());
    }
    let empty = project(&[
        ("kmig.toml", ""),
        ("migrations/core/001_t/up.sql", "CREATE TABLE t1 ();"),
    ]);
    let small = server.database();
    let small = server.url(&small);
    let output = empty.kmig(["bootstrap"]).env("KMIG_URL", &small).run();
    assert_eq!(output.code, 0, "{output}");
    let mut one = Vec::new();
    for _ in 0..ROUNDS * 4 {
        let since = Instant::now();
        empty.kmig(["up", "-q"]).env("KMIG_URL", &small).run();
        one.push(since.elapsed());
    }
    println!(
        "nothing to do, whole process: kmig up, {MIGRATIONS} migrations {:.1} ms; 1 migration {:.1} ms; psql 'select 1' {:.1} ms\n",
        milliseconds(median(&mut kmig)),
        milliseconds(median(&mut one)),
        milliseconds(median(&mut psql)),
    );
}

/// Peak memory of a part of 500 MB.
async fn large(server: &Server) {
    let project = project(&[("kmig.toml", "")]);
    let row = format!("1\t{}\n", "x".repeat(997));
    let mut text = String::with_capacity(LARGE + 200);
    text.push_str("CREATE TABLE t (id bigint, words text);\nCOPY t FROM stdin;\n");
    while text.len() < LARGE {
        text.push_str(&row);
    }
    text.push_str("\\.\n");
    project.write("migrations/core/001_large/up.sql", &text);
    let bytes = text.len();
    drop(text);
    let database = server.database();
    let running = project
        .kmig(["bootstrap", "-q"])
        .env("KMIG_URL", server.url(&database))
        .start();
    let status = format!("/proc/{}/status", running.pid());
    let since = Instant::now();
    let mut peak = 0;
    // The high-water mark only rises, so the last look before the end is the peak.
    while let Ok(text) = fs::read_to_string(&status) {
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(kilobytes) =
            mark.and_then(|mark| mark.split_whitespace().next()?.parse::<u64>().ok())
        else {
            break;
        };
        peak = peak.max(kilobytes);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let time = since.elapsed();
    let output = running.wait();
    assert_eq!(output.code, 0, "{output}");
    println!(
        "one part of {} MB (COPY): {:.1} s, peak memory {} MB\n",
        bytes / 1_000_000,
        time.as_secs_f64(),
        peak / 1_000
    );
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
