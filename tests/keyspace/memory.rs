//! How much memory an export, an import and a comparison take, where a partition is larger than that.

use crate::imports::target;
use crate::space::Space;
use crate::support::case::expect;
use crate::support::cassandra::{Cluster, Options, available, turn};
use std::fs;
use std::time::Duration;

/// What an export, an import, and a comparison with a folder and with a keyspace may take beside the program itself, in KiB: a build for
/// debugging is some twenty megabytes longer than one for use.
const MOST: [u64; 4] = [46 << 10, 38 << 10, 30 << 10, 20 << 10];

/// Runs a command line to its end and tells the most memory that it had, in KiB.
fn peak(space: &Space<'_>, line: &str, texts: &[&str]) -> u64 {
    let mut running = space.kmig(line).start();
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    while !running.has_ended() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = kib.and_then(|kib| kib.trim().parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    expect(line, running.wait(), 0, texts);
    peak
}

/// Text that no file makes much shorter.
fn noise(rng: &mut fastrand::Rng, bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    let mut text = Vec::with_capacity(bytes);
    while text.len() < bytes {
        let bits = rng.u64(..);
        text.extend((0..10).map(|at| LETTERS[(bits >> (6 * at)) as usize & 63]));
    }
    String::from_utf8(text).expect("letters")
}

/// Copies a table of one partition into another keyspace and back before one's eyes: what an export, an import, and a comparison
/// with the folder and with the source take at most, in KiB.
fn peaks(cluster: &Cluster, rows: usize, value: &mut dyn FnMut() -> String) -> [u64; 4] {
    let table = "create table t (p int, c int, v text, primary key (p, c));";
    let source = Space::new(cluster);
    source.cql(table);
    for c in 0..rows {
        let value = value();
        source.cql(&format!(
            "insert into t (p, c, v) values (1, {c}, '{value}')"
        ));
    }
    let target = target(cluster, table);
    let folder = target.folder("ex").display().to_string();
    let url = cluster.url(&source.keyspace);
    let rows = format!("{rows} rows");
    let equal = ["are equal", &rows];
    [
        peak(&source, &format!("kmig export --to '{folder}'"), &[&rows]),
        peak(&target, "kmig import ex", &[&rows]),
        peak(&target, "kmig verify ex", &equal),
        peak(&target, &format!("kmig verify --source '{url}'"), &equal),
    ]
}

#[test]
fn a_partition_larger_than_memory_is_exported_imported_and_compared_in_little() {
    if !available() {
        return;
    }
    let _turn = turn();
    let cluster = Cluster::start(Options {
        forgetful: true,
        heap: Some(1024),
        ..Options::default()
    });
    let mut rng = fastrand::Rng::with_seed(7);
    let program = peaks(&cluster, 2, &mut || "a".to_string());
    for (what, peaks) in [
        (
            "77 MB",
            peaks(&cluster, 1_200, &mut || noise(&mut rng, 64_000)),
        ),
        (
            "a page each",
            peaks(&cluster, 48, &mut || "ab".repeat(1 << 19)),
        ),
    ] {
        for ((peak, program), most) in peaks.iter().zip(&program).zip(MOST) {
            let more = peak.saturating_sub(*program);
            assert!(*program > 0 && more <= most, "{what}: {peaks:?} KiB");
        }
    }
}
