//! How fast a keyspace becomes files: kmig beside a bare loop over the same pages, DSBulk and cqlsh COPY.
//!
//! `make bench-keyspace`. All read the same rows from the same node. The bare loop asks for the same columns of the same
//! ranges, as many at once, and throws the answers away: nobody who reads through a driver is faster. Runs take turns; a
//! figure is the median of the rounds, the whole process with its start. `KMIG_ROWS` sets the size, a million by default.

#![allow(clippy::print_stdout, reason = "a bench is its output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use kmig::backend::cassandra::cells::Selection;
use kmig::backup::TokenRange;
use kmig::backup::archive::Archive;
use kmig::backup::manifest::Table;
use kmig::backup::table::Part;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use std::ops::ControlFlow;
use support::cassandra::{self, Cluster, Options};
use support::kmig::{Project, binary, project};

/// Rounds that count; odd, so that one is in the middle.
const ROUNDS: usize = 3;

/// Passes that warm the server up.
const WARM: usize = 2;

/// Ranges, or requests, at once: kmig's default.
const AT_ONCE: usize = 4;

/// Rows of a page of the bare loop: kmig's, where rows are short.
const PAGE: i32 = 1000;

/// What is read: its name, how many rows of a million, and the columns beside the key `(p, c)`.
const SETS: [(&str, usize, &str); 4] = [
    (
        "narrow",
        1_000_000,
        "a bigint, b int, d text, e double, f timestamp, g uuid",
    ),
    ("wide", 200_000, "a bigint, d text"),
    ("blobs", 2_000, "v blob"),
    (
        "collections",
        50_000,
        "l list<int>, s set<text>, m map<text, int>",
    ),
];

/// What a run took.
#[derive(Clone, Copy, Default)]
struct Run {
    seconds: f64,
    /// Of the processor, in the client.
    processor: f64,
    /// Peak memory in MB.
    memory: f64,
}

#[tokio::main]
async fn main() {
    if !cassandra::available() {
        return;
    }
    let million: usize = std::env::var("KMIG_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(1_000_000);
    // What a node in production does, as far as this machine has room. Small memtables, so that tables are on disk and the
    // server has estimates of them.
    let java = [
        "-XX:-UseSerialGC",
        "-XX:+UseParallelGC",
        "-XX:TieredStopAtLevel=4",
    ];
    let cluster = Cluster::start(Options {
        heap: Some(1536),
        java: java.map(str::to_owned).into(),
        yaml: vec![
            "memtable_heap_space: 64MiB".into(),
            "memtable_offheap_space: 64MiB".into(),
        ],
        ..Options::default()
    });
    let keyspace = cluster.create_keyspace();
    let session = SessionBuilder::new()
        .known_node_addr(cluster.contact(1))
        .build()
        .await
        .expect("a session");
    let session = Arc::new(session);
    for (name, per_million, columns) in SETS {
        let rows = (per_million as u64 * million as u64 / 1_000_000) as usize;
        cluster.run(
            &keyspace,
            &format!("create table {name} (p int, c int, {columns}, primary key (p, c))"),
        );
        load(&session, &keyspace, name, rows).await;
        println!("loaded {name}: {rows} rows");
    }
    println!();
    println!(
        "| rows | tool | rows/s | of the bare loop | client CPU s | peak MB | MB of files | keeps |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, per_million, _) in SETS {
        let rows = (per_million as u64 * million as u64 / 1_000_000) as usize;
        compare(&cluster, &session, &keyspace, name, rows).await;
    }
}

/// One set, by everybody.
async fn compare(
    cluster: &Cluster,
    session: &Arc<Session>,
    keyspace: &str,
    name: &str,
    rows: usize,
) {
    let project = project(&[("kmig.toml", "")]);
    let (mut bare, mut kmig, mut size) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..WARM + ROUNDS {
        let folder = project.path().join(format!("out{round}"));
        let ours = export(cluster, &project, keyspace, name, &folder);
        let archive = Archive::open(&folder).expect("a sealed folder");
        let table = &archive.manifest.tables[0];
        assert_eq!(table.rows.rows, rows as u64, "{name}");
        let loops = bare_loop(session, keyspace, &archive, table).await;
        if round >= WARM {
            kmig.push(ours);
            bare.push(loops);
        }
        size = megabytes(&folder);
        fs::remove_dir_all(&folder).expect("remove");
    }
    let (bare, kmig) = (median(bare), median(kmig));
    let line = |tool: &str, run: Run, size: f64, keeps: &str| {
        let rate = rows as f64 / run.seconds;
        println!(
            "| {name} | {tool} | {rate:.0} | {:.2} | {:.1} | {:.0} | {size:.0} | {keeps} |",
            bare.seconds / run.seconds,
            run.processor,
            run.memory
        );
    };
    line("bare loop", bare, 0.0, "nothing");
    line(
        "kmig export",
        kmig,
        size,
        "value, empty, write time, expiry, of elements too",
    );
    let folder = project.path().join("peer");
    if let Ok(jars) = std::env::var("KMIG_DSBULK") {
        let run = dsbulk(cluster, &jars, keyspace, name, &folder);
        line(
            "DSBulk unload -timestamp -ttl",
            run,
            megabytes(&folder),
            "value, write time, TTL of whole columns",
        );
        let _ = fs::remove_dir_all(&folder);
    } else {
        println!("SKIPPED: DSBulk; KMIG_DSBULK=$(scripts/ensure-dsbulk) fetches it");
    }
    if let Ok(cqlsh) = std::env::var("KMIG_CQLSH") {
        let run = copy(cluster, &cqlsh, keyspace, name, &folder);
        line("cqlsh COPY TO", run, megabytes(&folder), "value");
    } else {
        println!("SKIPPED: cqlsh; KMIG_CQLSH=$(scripts/ensure-cqlsh) fetches it");
    }
}

/// Fills a table: partitions of ten rows, but one for all of `wide`; a third expires, one of twenty has a second write time.
async fn load(session: &Arc<Session>, keyspace: &str, name: &str, rows: usize) {
    let batch = if name == "blobs" { 1 } else { 10 };
    let texts = stream::iter(0..rows.div_ceil(batch)).map(|at| {
        let mut text = String::from("BEGIN UNLOGGED BATCH ");
        for row in at * batch..((at + 1) * batch).min(rows) {
            let (p, c) = if name == "wide" {
                (0, row)
            } else {
                (row / 10, row % 10)
            };
            text.push_str(&insert(keyspace, name, p, c, row));
        }
        text.push_str("APPLY BATCH");
        let session = session.clone();
        async move {
            session.query_unpaged(text, ()).await.expect("a batch");
        }
    });
    texts.buffer_unordered(64).collect::<Vec<()>>().await;
}

fn insert(keyspace: &str, name: &str, p: usize, c: usize, row: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(row as u64);
    let word =
        |rng: &mut fastrand::Rng| -> String { (0..12).map(|_| rng.alphanumeric()).collect() };
    let (columns, values) = match name {
        "narrow" => (
            "a, b, d, e, f, g",
            format!(
                "{}, {row}, '{}', {}, {}, {}",
                rng.i64(..),
                word(&mut rng),
                rng.f64(),
                1_700_000_000_000 + row as i64,
                uuid::Uuid::from_u128(rng.u128(..))
            ),
        ),
        "wide" => (
            "a, d",
            format!("{row}, '{} {}'", word(&mut rng), word(&mut rng)),
        ),
        "blobs" => {
            let bytes: String = (0..65_536).map(|_| format!("{:02x}", rng.u8(..))).collect();
            ("v", format!("0x{bytes}"))
        }
        _ => (
            "l, s, m",
            format!(
                "[1, {row}, 3], {{'{}', '{}'}}, {{'x': {row}, 'y': 2}}",
                word(&mut rng),
                word(&mut rng)
            ),
        ),
    };
    let ttl = if row.is_multiple_of(3) {
        " USING TTL 864000"
    } else {
        ""
    };
    let mut text = format!(
        "INSERT INTO {keyspace}.{name} (p, c, {columns}) VALUES ({p}, {c}, {values}){ttl};"
    );
    if row.is_multiple_of(20) && name == "narrow" {
        text.push_str(&format!(
            "UPDATE {keyspace}.{name} USING TIMESTAMP 5 SET b = 5 WHERE p = {p} AND c = {c};"
        ));
        text.push_str(&format!(
            "UPDATE {keyspace}.{name} SET d = 'later' WHERE p = {p} AND c = {c};"
        ));
    }
    text
}

fn export(cluster: &Cluster, project: &Project, keyspace: &str, name: &str, folder: &Path) -> Run {
    let mut command = Command::new(binary());
    command
        .current_dir(project.path())
        .args(["export", "-q", "--reason", "a bench", "--to"])
        .arg(folder)
        .env("KMIG_URL", cluster.url(keyspace));
    for (other, ..) in SETS.iter().filter(|(other, ..)| *other != name) {
        command.args(["--leave-out", other]);
    }
    measured(&mut command)
}

fn dsbulk(cluster: &Cluster, jars: &str, keyspace: &str, name: &str, folder: &Path) -> Run {
    let java = std::env::var("KMIG_JAVA").unwrap_or_else(|_| "java".into());
    let address = cluster.contact(1);
    measured(
        Command::new(java)
            .args([
                "-cp",
                jars,
                "com.datastax.oss.dsbulk.runner.DataStaxBulkLoader",
                "unload",
            ])
            .args([
                "-h",
                &address.ip().to_string(),
                "-port",
                &address.port().to_string(),
            ])
            .args([
                "-k",
                keyspace,
                "-t",
                name,
                "-timestamp",
                "true",
                "-ttl",
                "true",
                "-url",
            ])
            .arg(folder)
            .args(["--log.directory"])
            .arg(std::env::temp_dir().join("kmig-bench-dsbulk")),
    )
}

fn copy(cluster: &Cluster, cqlsh: &str, keyspace: &str, name: &str, folder: &Path) -> Run {
    fs::create_dir_all(folder).expect("a folder");
    let address = cluster.contact(1);
    let file = folder.join("rows.csv");
    let statement = format!("COPY {keyspace}.{name} TO '{}'", file.display());
    measured(
        Command::new(cqlsh)
            .args([address.ip().to_string(), address.port().to_string()])
            .args(["-e", &statement]),
    )
}

/// Reads what kmig reads, and throws it away.
async fn bare_loop(
    session: &Arc<Session>,
    keyspace: &str,
    archive: &Archive,
    table: &Table,
) -> Run {
    let shape = archive.shape(table).expect("a shape");
    let selection = Selection::new(keyspace, &shape, Part::Rows, true, None);
    let mut prepared = session.prepare(selection.text).await.expect("a statement");
    prepared.set_page_size(match table.outline.name.as_str() {
        "blobs" => 16,
        _ => PAGE,
    });
    let ranges: Vec<TokenRange> = table.ranges.iter().map(|range| range.tokens).collect();
    let began = Instant::now();
    let read = stream::iter(ranges).map(|range| {
        let (session, prepared) = (session.clone(), prepared.clone());
        tokio::spawn(async move {
            let (mut at, mut bytes) = (PagingState::start(), 0);
            loop {
                let bound = (range.after, range.to);
                let page = session.execute_single_page(&prepared, bound, at).await;
                let (page, next) = page.expect("a page");
                let rows = page.into_rows_result().expect("rows");
                for row in rows.rows::<ColumnIterator<'_, '_>>().expect("rows") {
                    for column in row.expect("a row") {
                        bytes += column
                            .expect("a column")
                            .slice
                            .map_or(0, |slice| slice.as_slice().len());
                    }
                }
                match next.into_paging_control_flow() {
                    ControlFlow::Continue(next) => at = next,
                    ControlFlow::Break(()) => return bytes,
                }
            }
        })
    });
    let bytes: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
    assert!(
        bytes
            .into_iter()
            .map(|bytes| bytes.expect("a range"))
            .sum::<usize>()
            > 0
    );
    Run {
        seconds: began.elapsed().as_secs_f64(),
        ..Run::default()
    }
}

/// Runs a program to its end.
fn measured(command: &mut Command) -> Run {
    let shown = format!("{command:?}");
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut run = Run::default();
    loop {
        seen(&child, &mut run);
        if let Some(status) = child.try_wait().expect("wait") {
            run.seconds = began.elapsed().as_secs_f64();
            assert!(status.success(), "{shown}: {status}");
            return run;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processor time and peak memory of a process, as of now (proc(5)).
fn seen(child: &Child, run: &mut Run) {
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    if let Some(kib) =
        peak.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok())
    {
        run.memory = kib / 1024.0;
    }
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
        // Of a hundred a second, on every Linux that there is.
        run.processor = run.processor.max((user + system) / 100.0);
    }
}

/// The run in the middle.
fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    runs[runs.len() / 2]
}

/// Of all files below a folder.
fn megabytes(folder: &Path) -> f64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes as f64 / 1e6
}
