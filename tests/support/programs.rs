//! Where Postgres' programs are on this machine.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Where the server's and the client's programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Folder of the server's programs.
    pub bin: PathBuf,
    /// psql itself.
    pub psql: PathBuf,
}

impl Programs {
    /// One list of places, in `scripts/ensure-postgres`, serves the script's users and the tests.
    pub fn find() -> Option<Self> {
        static FOUND: OnceLock<Option<Programs>> = OnceLock::new();
        FOUND
            .get_or_init(|| {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/ensure-postgres");
                let output = Command::new("sh").args([script, "--find"]).output().ok()?;
                let bin = String::from_utf8(output.stdout).ok()?;
                let bin = PathBuf::from(bin.trim());
                if !output.status.success() {
                    return None;
                }
                let beside = bin.join("psql");
                let psql = if beside.exists() {
                    beside
                } else {
                    PathBuf::from("psql")
                };
                Some(Self { bin, psql })
            })
            .clone()
    }

    /// The servers of every major version from 13 to 18, where all of them are here: `scripts/ensure-postgres-versions`
    /// has the list. psql is the one of [`Programs::find`].
    pub fn versions() -> Option<Vec<(u32, Self)>> {
        static FOUND: OnceLock<Option<Vec<(u32, Programs)>>> = OnceLock::new();
        FOUND
            .get_or_init(|| {
                let psql = Self::find()?.psql;
                let script = concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/scripts/ensure-postgres-versions"
                );
                let output = Command::new("sh").args([script, "--find"]).output().ok()?;
                let folders = String::from_utf8(output.stdout).ok()?;
                if !output.status.success() {
                    return None;
                }
                let folders = folders.lines().map(PathBuf::from);
                let programs = folders.map(|bin| Self {
                    bin,
                    psql: psql.clone(),
                });
                Some((13..).zip(programs).collect())
            })
            .clone()
    }

    /// A server unpacked somewhere brings its libraries along, beside `bin`.
    pub fn libraries(&self, command: &mut Command) {
        let beside = self.bin.join("../lib");
        if !self.bin.starts_with("/usr") && beside.is_dir() {
            command.env("LD_LIBRARY_PATH", beside);
        }
    }
}
