//! What a schema change costs on Cassandra: kmig beside the server's own floor, its driver as it comes, and cassachange.
//!
//! `make bench`. The floor is the same statements through one connection, each followed by the agreement of every node,
//! asked every 10 ms: nobody who waits for agreement can be faster. The runners take turns, each on a keyspace of its own;
//! a figure is the median of the rounds, and what counts is the ratio. Nodes write their schema to disk as in production.

#![allow(clippy::print_stdout, reason = "a bench is its output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scylla::client::PoolSize;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::unprepared::Statement;
use support::cassandra::{self, Cluster, Options};
use support::kmig::{Project, project};
use uuid::Uuid;

/// Rounds that count; odd, so that one is in the middle.
const ROUNDS: usize = 5;

/// Sets of statements that a runner is measured on: CREATE TABLE, ALTER TABLE … ADD, CREATE INDEX.
const SETS: usize = 10;

/// The sets of a runner that takes up to a second for each statement.
const FEW: usize = 4;

/// Statements of a set.
const EACH: usize = 3;

/// How often a whole process is run that finds nothing to do.
const LOOKS: usize = 21;

/// How often the floor asks whether all nodes agree.
const POLL: Duration = Duration::from_millis(10);

/// The one who runs the statements.
#[derive(Clone, Copy, PartialEq)]
enum Runner {
    Floor,
    Kmig,
    Driver,
    Cassachange,
}

impl Runner {
    const ALL: [Runner; 4] = [
        Runner::Floor,
        Runner::Kmig,
        Runner::Driver,
        Runner::Cassachange,
    ];

    fn name(self) -> &'static str {
        match self {
            Runner::Floor => "floor",
            Runner::Kmig => "kmig up",
            Runner::Driver => "scylla driver, defaults",
            Runner::Cassachange => "cassachange",
        }
    }
}

#[tokio::main]
async fn main() {
    if !cassandra::available() {
        return;
    }
    let cassachange = std::env::var_os("KMIG_CASSACHANGE").map(PathBuf::from);
    if cassachange.is_none() {
        println!(
            "SKIPPED: cassachange; scripts/ensure-cassachange finds or fetches it, KMIG_CASSACHANGE names it\n"
        );
    }
    for nodes in [1, 3] {
        // What a node in production does, as far as this machine has room: it compiles hot code, and writes its schema to disk.
        let java = [
            "-Dcassandra.skip_sync=false",
            "-XX:-UseSerialGC",
            "-XX:+UseParallelGC",
            "-XX:TieredStopAtLevel=4",
        ];
        let cluster = Cluster::start(Options {
            nodes,
            heap: Some(768),
            java: java.map(str::to_owned).into(),
            ..Options::default()
        });
        changes(&cluster, cassachange.as_ref()).await;
        nothing_to_do(&cluster).await;
    }
}

/// Each statement of some sets; the names of a table begin with the prefix.
fn statements(prefix: &str, sets: usize) -> Vec<String> {
    (0..sets)
        .flat_map(|n| {
            let table = format!("{prefix}{n}");
            [
                format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text)"),
                format!("ALTER TABLE {table} ADD note text"),
                format!("CREATE INDEX {table}_name ON {table} (name)"),
            ]
        })
        .collect()
}

/// A file of statements.
fn script(statements: &[String]) -> String {
    statements
        .iter()
        .fold(String::new(), |mut text, statement| {
            let _ = writeln!(text, "{statement};");
            text
        })
}

/// What one schema change costs each runner.
async fn changes(cluster: &Cluster, cassachange: Option<&PathBuf>) {
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..=ROUNDS {
        // Each round begins with another one.
        for turn in 0..Runner::ALL.len() {
            let at = (round + turn) % Runner::ALL.len();
            let runner = Runner::ALL[at];
            let keyspace = cluster.create_keyspace();
            let time = match (runner, cassachange) {
                (Runner::Floor, _) => floor(cluster, &keyspace).await,
                (Runner::Driver, _) => driver(cluster, &keyspace).await,
                (Runner::Kmig, _) => kmig(cluster, &keyspace),
                (Runner::Cassachange, Some(program)) => peer(cluster, &keyspace, program),
                (Runner::Cassachange, None) => continue,
            };
            // The first round only warms the nodes up.
            if round > 0 {
                times[at].push(time);
            }
            cluster.run("", &format!("drop keyspace {keyspace}"));
        }
    }
    let nodes = cluster.size();
    println!("one schema change, nodes: {nodes}");
    let mut floor = 0.0;
    for (runner, mut times) in Runner::ALL.into_iter().zip(times) {
        if times.is_empty() {
            continue;
        }
        let time = milliseconds(median(&mut times));
        if runner == Runner::Floor {
            floor = time;
        }
        let (ratio, name) = (time / floor, runner.name());
        let (least, most) = (milliseconds(times[0]), milliseconds(times[times.len() - 1]));
        println!("  {name:<26}{time:>8.1} ms  {ratio:>5.2} x floor  ({least:.1} to {most:.1})");
    }
    println!();
}

/// The statements through one connection, and every node asked until all agree.
async fn floor(cluster: &Cluster, keyspace: &str) -> Duration {
    let session = bare(cluster).await;
    session
        .use_keyspace(keyspace, true)
        .await
        .expect("the keyspace");
    let nodes: Vec<Uuid> = session
        .get_cluster_state()
        .get_nodes_info()
        .iter()
        .map(|node| node.host_id)
        .collect();
    let sent = statements("t", SETS);
    let since = Instant::now();
    for text in &sent {
        ask(&session, text, nodes[0]).await;
        while !agreed(&session, &nodes).await {
            tokio::time::sleep(POLL).await;
        }
    }
    since.elapsed() / count(sent.len())
}

async fn agreed(session: &Session, nodes: &[Uuid]) -> bool {
    let text = "SELECT schema_version FROM system.local";
    let asked = nodes.iter().map(|node| async move {
        let rows = ask(session, text, *node).await.into_rows_result();
        let rows = rows.expect("a row");
        rows.single_row::<(Uuid,)>().expect("a schema version").0
    });
    let versions = futures_util::future::join_all(asked).await;
    versions.windows(2).all(|two| two[0] == two[1])
}

async fn ask(
    session: &Session,
    text: &str,
    node: Uuid,
) -> scylla::response::query_result::QueryResult {
    let mut statement = Statement::new(text);
    statement.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(
        NodeIdentifier::HostId(node),
        None,
    )));
    let answer = session.query_unpaged(statement, ()).await;
    answer.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The driver with its own agreement and its own refresh of metadata.
async fn driver(cluster: &Cluster, keyspace: &str) -> Duration {
    let session = SessionBuilder::new()
        .known_node_addr(cluster.contact(1))
        .build()
        .await
        .expect("a session");
    session
        .use_keyspace(keyspace, true)
        .await
        .expect("the keyspace");
    let sent = statements("t", SETS);
    let since = Instant::now();
    for text in &sent {
        let answer = session.query_unpaged(text.as_str(), ()).await;
        answer.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    since.elapsed() / count(sent.len())
}

/// What a statement adds to the whole run of a program: the difference of a run of many and a run of one set.
fn each(sets: usize, mut run: impl FnMut(&str, usize)) -> Duration {
    let mut timed = |prefix: &str, sets| {
        let since = Instant::now();
        run(prefix, sets);
        since.elapsed()
    };
    let one = timed("a", 1);
    let many = timed("b", sets + 1);
    many.saturating_sub(one) / count(sets * EACH)
}

fn kmig(cluster: &Cluster, keyspace: &str) -> Duration {
    let project = first();
    let url = cluster.url(keyspace);
    run(&project, &url, "bootstrap");
    let mut number = 1;
    each(SETS, |prefix, sets| {
        number += 1;
        let text = script(&statements(prefix, sets));
        project.write(&format!("migrations/core/{number:03}_t/up.cql"), &text);
        run(&project, &url, "up");
    })
}

/// A project with one migration.
fn first() -> Project {
    project(&[
        ("kmig.toml", ""),
        (
            "migrations/core/001_first/up.cql",
            "CREATE TABLE first (id int PRIMARY KEY);\n",
        ),
    ])
}

fn run(project: &Project, url: &str, verb: &str) {
    let output = project.kmig([verb, "-q"]).env("KMIG_URL", url).run();
    assert_eq!(output.code, 0, "{output}");
}

fn peer(cluster: &Cluster, keyspace: &str, program: &PathBuf) -> Duration {
    let folder = project(&[]);
    let host = cluster.contact(1).ip().to_string();
    let mut number = 0;
    let mut deploy = |prefix: &str, sets: usize| {
        number += 1;
        let texts: Vec<String> = statements(prefix, sets)
            .iter()
            .map(|text| {
                text.replace("TABLE ", &format!("TABLE {keyspace}."))
                    .replace(" ON ", &format!(" ON {keyspace}."))
            })
            .collect();
        folder.write(&format!("V1.{number}.0__t.cql"), &script(&texts));
        let output = Command::new(program)
            .args(["deploy", "--hosts", &host, "--keyspace", keyspace])
            .args(["--history-keyspace", keyspace, "--root-folder", "."])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("cassachange starts");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    // It makes its tables with its first run.
    deploy("z", 1);
    let time = each(FEW, &mut deploy);
    let made = cluster.run(
        "",
        &format!("select table_name from system_schema.tables where keyspace_name = '{keyspace}'"),
    );
    assert!(made.lines().any(|table| table == "b4"), "{made}");
    time
}

/// The run of a pod that finds everything done, beside a session of the same driver and one question.
async fn nothing_to_do(cluster: &Cluster) {
    let keyspace = cluster.create_keyspace();
    let (project, url) = (first(), cluster.url(&keyspace));
    run(&project, &url, "bootstrap");
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..LOOKS {
        for (at, verb) in ["status", "up"].into_iter().enumerate() {
            let since = Instant::now();
            run(&project, &url, verb);
            times[at].push(since.elapsed());
        }
        let since = Instant::now();
        let session = bare(cluster).await;
        let rows = session
            .query_unpaged("SELECT release_version FROM system.local", ())
            .await;
        rows.expect("an answer");
        times[2].push(since.elapsed());
    }
    let [status, up, connect] = times.map(|mut times| milliseconds(median(&mut times)));
    println!(
        "nothing to do, nodes: {}, whole process: kmig status {status:.1} ms, kmig up {up:.1} ms; a session of the driver and one question {connect:.1} ms\n",
        cluster.size()
    );
    cluster.run("", &format!("drop keyspace {keyspace}"));
}

/// A session with as little as the driver can do.
async fn bare(cluster: &Cluster) -> Session {
    SessionBuilder::new()
        .known_node_addr(cluster.contact(1))
        .fetch_schema_metadata(false)
        .auto_await_schema_agreement(false)
        .refresh_metadata_on_auto_schema_agreement(false)
        .driver_config_reporting(false)
        .pool_size(PoolSize::PerHost(std::num::NonZeroUsize::MIN))
        .build()
        .await
        .expect("a session")
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a few")
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
