//! Who else reads the files: DuckDB, pyarrow and Spark, by the schema that they infer.

use crate::kinds::fill;
use crate::space::Space;
use crate::support::cassandra::{available, shared};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Command;

/// A python that has all three. Absence is said aloud, and is a failure where `KMIG_REQUIRE_SERVERS` is set.
pub fn python() -> Option<String> {
    let python = std::env::var("KMIG_READERS")
        .ok()
        .filter(|path| !path.is_empty());
    if python.is_none() {
        assert!(
            std::env::var_os("KMIG_REQUIRE_SERVERS").is_none(),
            "KMIG_REQUIRE_SERVERS is set, but not KMIG_READERS: run scripts/ensure-readers"
        );
        // Written past the capturing of test output: a skipped test must be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no readers of Parquet; KMIG_READERS=$(scripts/ensure-readers) fetches them"
        );
    }
    python
}

#[test]
fn duckdb_pyarrow_and_spark_open_every_file() {
    let (true, Some(python)) = (available(), python()) else {
        return;
    };
    let space = Space::new(shared());
    fill(&space, true);
    space.says("kmig export --to out", 0, &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keyspace/readers.py");
    let output = Command::new(python)
        .arg(script)
        .arg(space.folder("out"))
        // A zone in which local times are no UTC.
        .env("TZ", "America/New_York")
        .output()
        .expect("run python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let archive = space.archive("out");
    let mut files = 0;
    for table in &archive.manifest.tables {
        for range in &table.ranges {
            for file in range.files() {
                files += 1;
                for reader in ["duckdb", "pyarrow", "spark"] {
                    let rows = &told[reader][&file.file.path];
                    assert_eq!(*rows, file.sum.rows, "{reader}, {}", file.file.path);
                }
            }
        }
    }
    assert_eq!(files, 11);
    let usual = json!({
        "b": i64::MIN, "d": "2024-02-29", "de": "3.50", "i": "127.0.0.1", "n": i32::MIN, "t": "Grüße",
        "ti": 86_399_999_999_999_i64, "ts": 1_709_210_096_789_i64, "u": "123e4567-e89b-12d3-a456-426614174000",
        "v": "123456789012345678901234567890123456789012345678901234567890", "y": -128, "wt": 1000,
    });
    for reader in ["duckdb", "pyarrow", "spark"] {
        assert_eq!(told["plain"][reader], usual, "{reader}");
    }
}
