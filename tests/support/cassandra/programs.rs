//! Where Java and Cassandra's jars are on this machine.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A release of Cassandra that tests run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 5.0.9.
    #[default]
    V5_0,
    /// 4.1.10.
    V4_1,
}

impl Version {
    /// Its number, as `release_version` of a node shows it.
    pub fn number(self) -> &'static str {
        match self {
            Self::V5_0 => "5.0.9",
            Self::V4_1 => "4.1.10",
        }
    }

    /// The folder of its jars.
    pub fn jars(self) -> Option<PathBuf> {
        static V5_0: OnceLock<Option<PathBuf>> = OnceLock::new();
        static V4_1: OnceLock<Option<PathBuf>> = OnceLock::new();
        let found = match self {
            Self::V5_0 => &V5_0,
            Self::V4_1 => &V4_1,
        };
        found
            .get_or_init(|| ask(&["--find", self.number()]))
            .clone()
    }
}

/// The Java program that runs them.
pub fn java() -> Option<PathBuf> {
    static JAVA: OnceLock<Option<PathBuf>> = OnceLock::new();
    JAVA.get_or_init(|| ask(&["--java"])).clone()
}

/// One list of places, in `scripts/ensure-cassandra`, serves the script's users and the tests.
fn ask(arguments: &[&str]) -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/ensure-cassandra");
    let output = Command::new("sh")
        .arg(script)
        .args(arguments)
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim()))
}
