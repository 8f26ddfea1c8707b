//! How fast a keyspace becomes files, and files a keyspace: kmig beside bare loops over the same requests, DSBulk and cqlsh
//! COPY, with what survived of each cell.
//!
//! `make bench-keyspace`. All move the same rows from and to the same node. The bare loops read the same columns of the same
//! ranges and throw the answers away, and send the same statements from memory: nobody who goes through a driver is faster.
//! Runs take turns, imports each into a keyspace of its own; a figure is the median of the rounds, the whole process with
//! its start. `KMIG_ROWS` sets the size, a million by default; `KMIG_SETS=narrow,wide` leaves tables out, and
//! `KMIG_ROUNDS` says how many rounds count.

#![allow(clippy::print_stdout, reason = "a bench is its output")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod bare;
mod fidelity;
mod run;
mod sets;
mod tools;

use bare::Requests;
use fidelity::Fidelity;
use kmig::backup::archive::Archive;
use run::{Run, here, median, megabytes};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use sets::{SETS, Set};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::cassandra::{self, Cluster, Options};
use support::kmig::{Project, project};
use tools::Tools;

/// Rounds that count; odd, so that one is in the middle.
const ROUNDS: usize = 3;

/// Rounds that warm the server up.
const WARM: usize = 2;

/// A table of the source, and where its files are.
struct Bench<'a> {
    tools: &'a Tools,
    session: &'a Arc<Session>,
    keyspace: &'a str,
    set: Set,
    /// The other tables of the keyspace.
    others: Vec<&'a str>,
    rows: usize,
    rounds: usize,
    project: Project,
}

#[tokio::main]
async fn main() {
    if !cassandra::available() {
        return;
    }
    let number = |name: &str, usual: usize| {
        let told = std::env::var(name).ok();
        told.and_then(|told| told.parse().ok()).unwrap_or(usual)
    };
    let (million, rounds) = (
        number("KMIG_ROWS", 1_000_000),
        number("KMIG_ROUNDS", ROUNDS),
    );
    let wanted = std::env::var("KMIG_SETS").unwrap_or_default();
    let sets = SETS.iter().filter(|set| {
        let mut names = wanted.split(',');
        wanted.is_empty() || names.any(|name| name == set.name)
    });
    let sets: Vec<&Set> = sets.collect();
    let tools = Tools::find(cluster());
    let keyspace = tools.cluster.create_keyspace();
    let session = SessionBuilder::new()
        .known_node_addr(tools.cluster.contact(1))
        .build()
        .await
        .expect("a session");
    let session = Arc::new(session);
    for set in &sets {
        let rows = set.rows(million);
        tools.cluster.run(&keyspace, &set.create());
        set.fill(&session, &keyspace, rows).await;
        println!("loaded {}: {rows} rows", set.name);
    }
    for set in &sets {
        let others = sets.iter().filter(|other| other.name != set.name);
        let bench = Bench {
            tools: &tools,
            session: &session,
            keyspace: &keyspace,
            set: **set,
            others: others.map(|other| other.name).collect(),
            rows: set.rows(million),
            rounds,
            project: project(&[("kmig.toml", "")]),
        };
        bench.exports().await;
        bench.imports().await;
        bench.verify();
    }
}

/// What a node in production does, as far as this machine has room. Small memtables, so that tables are on disk and the
/// server has estimates of them.
fn cluster() -> Cluster {
    let java = [
        "-XX:-UseSerialGC",
        "-XX:+UseParallelGC",
        "-XX:TieredStopAtLevel=4",
    ];
    Cluster::start(Options {
        heap: Some(1536),
        java: java.map(str::to_owned).into(),
        yaml: vec![
            "memtable_heap_space: 64MiB".into(),
            "memtable_offheap_space: 64MiB".into(),
        ],
        ..Options::default()
    })
}

impl Bench<'_> {
    fn folder(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    /// A line of a table: a tool beside the first of the table.
    fn line(&self, tool: &str, first: &[Run], runs: Vec<Run>, more: &str) {
        if let (Some(first), Some(run)) = (median(first.to_vec()), median(runs)) {
            println!(
                "| {} | {tool} | {:.0} | {:.2} | {:.1} | {:.1} | {:.0} | {more} |",
                self.set.name,
                self.rows as f64 / run.seconds,
                first.seconds / run.seconds,
                run.client,
                run.server,
                run.memory,
            );
        }
    }

    fn head(&self, of: &str, more: &str) {
        println!("\n{of} of {}, {} rows\n", self.set.name, self.rows);
        println!(
            "| rows | tool | rows/s | of the first | client CPU s | server CPU s | peak MB | {more} |"
        );
        let columns = 7 + more.split('|').count();
        println!("|{}", "---|".repeat(columns));
    }

    /// The table into files. kmig and the bare loop take turns at being behind the other tools, which leave the server
    /// with other code compiled and other pages in memory.
    async fn exports(&self) {
        let (tools, set) = (self.tools, &self.set);
        let (mut loops, mut kmig) = (Vec::new(), Vec::new());
        let (mut dsbulk, mut copy) = (Vec::new(), Vec::new());
        let folder = self.folder("kmig");
        for round in 0..WARM + self.rounds {
            let counts = round >= WARM;
            let ours_first = round % 2 == 0;
            for ours in [ours_first, !ours_first, !ours_first, ours_first] {
                if ours || !folder.exists() {
                    let _ = fs::remove_dir_all(&folder);
                    let run = tools.export(&self.project, self.keyspace, &self.others, &folder);
                    kmig.extend(counts.then_some(run));
                    continue;
                }
                let archive = Archive::open(&folder).expect("a sealed folder");
                let table = &archive.manifest.tables[0];
                assert_eq!(table.rows.rows, self.rows as u64, "{}", set.name);
                let reading = bare::read(self.session, self.keyspace, set, &archive, table);
                let (run, ()) = here(tools.server(), reading).await;
                loops.extend(counts.then_some(run));
            }
            if !counts {
                continue;
            }
            for name in ["dsbulk", "copy"] {
                let _ = fs::remove_dir_all(self.folder(name));
            }
            dsbulk.extend(tools.dsbulk("unload", self.keyspace, set, &self.folder("dsbulk")));
            copy.extend(tools.copy_to(self.keyspace, set, &self.folder("copy")));
        }
        self.head("Exports", "MB of files");
        let size = |name: &str| format!("{:.1}", megabytes(&self.folder(name)));
        self.line("bare loop", &loops, loops.clone(), "");
        self.line("kmig export", &loops, kmig, &size("kmig"));
        self.line(
            "DSBulk unload -timestamp -ttl",
            &loops,
            dsbulk,
            &size("dsbulk"),
        );
        self.line("cqlsh COPY TO", &loops, copy, &size("copy"));
    }

    /// Each tool's files into a keyspace.
    async fn imports(&self) {
        let (tools, set) = (self.tools, &self.set);
        let (mut loops, mut kmig) = (Vec::new(), Vec::new());
        let (mut dsbulk, mut copy) = (Vec::new(), Vec::new());
        let mut kept = [None; 4];
        for round in 0..WARM + self.rounds {
            let counts = round >= WARM;
            let last = round + 1 == WARM + self.rounds;
            let archive = Archive::open(&self.folder("kmig")).expect("a sealed folder");
            let ours_first = round % 2 == 0;
            for ours in [ours_first, !ours_first] {
                let target = tools.target(set);
                let run = if ours {
                    tools.import(&target, &self.folder("kmig"))
                } else {
                    let requests = Requests::of(self.session, &target.keyspace, &archive).await;
                    let sending = requests.send(self.session);
                    here(tools.server(), sending).await.0
                };
                let (runs, kept) = match ours {
                    true => (&mut kmig, &mut kept[1]),
                    false => (&mut loops, &mut kept[0]),
                };
                runs.extend(counts.then_some(run));
                self.done(target, last, kept).await;
            }
            if !counts {
                continue;
            }

            let target = tools.target(set);
            dsbulk.extend(tools.dsbulk("load", &target.keyspace, set, &self.folder("dsbulk")));
            self.done(target, last, &mut kept[2]).await;

            let target = tools.target(set);
            copy.extend(tools.copy_from(&target.keyspace, set, &self.folder("copy")));
            self.done(target, last, &mut kept[3]).await;
        }
        self.head("Imports", "value / write time / expiry kept, % | of cells");
        let kept = kept.map(|kept| kept.map_or(String::new(), |kept: Fidelity| kept.to_string()));
        self.line("bare loop", &loops, loops.clone(), &kept[0]);
        self.line("kmig import", &loops, kmig, &kept[1]);
        self.line("DSBulk load -timestamp -ttl", &loops, dsbulk, &kept[2]);
        self.line("cqlsh COPY FROM", &loops, copy, &kept[3]);
    }

    /// Looks at what a tool has made, the last time, and removes it.
    async fn done(&self, target: tools::Target, last: bool, kept: &mut Option<Fidelity>) {
        if last {
            let of = fidelity::of(self.session, &self.set, self.keyspace, &target.keyspace);
            *kept = Some(of.await);
        }
        self.tools.drop(target);
    }

    /// An export of a keyspace, and the comparison of the same with the files that it was made from.
    fn verify(&self) {
        let (tools, set) = (self.tools, &self.set);
        let target = tools.target(set);
        let folder = self.folder("kmig");
        tools.import(&target, &folder);
        let (mut exports, mut verifies) = (Vec::new(), Vec::new());
        for round in 0..WARM + self.rounds {
            let export_first = round % 2 == 0;
            for exporting in [export_first, !export_first] {
                let run = if exporting {
                    let again = self.folder("again");
                    let run = tools.export(&self.project, &target.keyspace, &[], &again);
                    remove(&again);
                    run
                } else {
                    tools.verify(&target, &folder)
                };
                let runs = match exporting {
                    true => &mut exports,
                    false => &mut verifies,
                };
                runs.extend((round >= WARM).then_some(run));
            }
        }
        self.head("Verification", "MB of files");
        let size = format!("{:.1}", megabytes(&folder));
        self.line("kmig export", &exports, exports.clone(), &size);
        self.line("kmig verify", &exports, verifies, &size);
        tools.drop(target);
    }
}

fn remove(folder: &Path) {
    fs::remove_dir_all(folder).expect("remove");
}
