//! Who moves rows: kmig, DSBulk and cqlsh COPY, each as a program that its user would run.

use super::run::{Run, measured};
use super::sets::Set;
use super::support::cassandra::Cluster;
use super::support::kmig::{Project, binary, project};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The server, and the programs beside kmig, where they are there.
pub struct Tools {
    pub cluster: Cluster,
    /// Class path of DSBulk.
    dsbulk: Option<String>,
    /// Path of cqlsh.
    cqlsh: Option<String>,
}

/// A keyspace with one empty table, as `kmig bootstrap` makes it.
pub struct Target {
    pub keyspace: String,
    pub project: Project,
}

impl Tools {
    /// What there is on this machine.
    pub fn find(cluster: Cluster) -> Self {
        let told = |name: &str, how: &str| {
            let found = std::env::var(name).ok();
            if found.is_none() {
                println!("SKIPPED: {name}=$(scripts/{how}) fetches it");
            }
            found
        };
        Tools {
            cluster,
            dsbulk: told("KMIG_DSBULK", "ensure-dsbulk"),
            cqlsh: told("KMIG_CQLSH", "ensure-cqlsh"),
        }
    }

    /// Process id of the server.
    pub fn server(&self) -> u32 {
        self.cluster.pid(1)
    }

    /// A new keyspace.
    pub fn target(&self, set: &Set) -> Target {
        let tables = set.create();
        let target = Target {
            keyspace: self.cluster.create_keyspace(),
            project: project(&[
                ("kmig.toml", ""),
                ("migrations/core/001_base/up.cql", &tables),
            ]),
        };
        let mut command = self.kmig(&target.project, &target.keyspace);
        measured(command.arg("bootstrap"), self.server());
        target
    }

    /// Removes one.
    pub fn drop(&self, target: Target) {
        let keyspace = &target.keyspace;
        self.cluster.run("", &format!("drop keyspace {keyspace}"));
    }

    fn kmig(&self, project: &Project, keyspace: &str) -> Command {
        let mut command = Command::new(binary());
        command
            .current_dir(project.path())
            .env("KMIG_URL", self.cluster.url(keyspace))
            .args(["-q", "--yes"]);
        command
    }

    /// `kmig export` without some tables.
    pub fn export(&self, project: &Project, keyspace: &str, out: &[&str], folder: &Path) -> Run {
        let mut command = self.kmig(project, keyspace);
        command
            .args(["export", "--reason", "a bench", "--to"])
            .arg(folder);
        for other in out {
            command.args(["--leave-out", other]);
        }
        measured(&mut command, self.server())
    }

    /// `kmig import`, with times.
    pub fn import(&self, target: &Target, folder: &Path) -> Run {
        let mut command = self.kmig(&target.project, &target.keyspace);
        measured(command.arg("import").arg(folder), self.server())
    }

    /// `kmig verify`.
    pub fn verify(&self, target: &Target, folder: &Path) -> Run {
        let mut command = self.kmig(&target.project, &target.keyspace);
        measured(command.arg("verify").arg(folder), self.server())
    }

    /// DSBulk with its flags for times, either way; nothing where it is not there.
    pub fn dsbulk(&self, verb: &str, keyspace: &str, set: &Set, folder: &Path) -> Option<Run> {
        let jars = self.dsbulk.as_ref()?;
        let java = std::env::var("KMIG_JAVA").unwrap_or_else(|_| "java".into());
        let address = self.cluster.contact(1);
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = Command::new(java);
        command
            .args(["-cp", jars])
            .args(["com.datastax.oss.dsbulk.runner.DataStaxBulkLoader", verb])
            .args(["-h", &ip, "-port", &port, "-k", keyspace, "-t", set.name])
            .args(["-timestamp", "true", "-ttl", "true"])
            // A value of 64 KB is longer than it takes for one by itself.
            .args(["--connector.csv.maxCharsPerColumn", "-1", "-url"])
            .arg(folder)
            .arg("--log.directory")
            .arg(std::env::temp_dir().join("kmig-bench-dsbulk"));
        Some(measured(&mut command, self.server()))
    }

    /// COPY TO; nothing where cqlsh is not there.
    pub fn copy_to(&self, keyspace: &str, set: &Set, folder: &Path) -> Option<Run> {
        std::fs::create_dir_all(folder).expect("a folder");
        let file = csv(folder);
        let statement = format!("COPY {keyspace}.{} TO '{}'", set.name, file.display());
        self.copy(&statement, folder)
    }

    /// COPY FROM; nothing where cqlsh is not there.
    pub fn copy_from(&self, keyspace: &str, set: &Set, folder: &Path) -> Option<Run> {
        let file = csv(folder);
        let mut statement = format!("COPY {keyspace}.{} FROM '{}'", set.name, file.display());
        if set.name == "blobs" {
            // It sends twenty rows in a batch, of which the server takes 50 KB.
            statement.push_str(" WITH MAXBATCHSIZE = 1 AND CHUNKSIZE = 50");
        }
        self.copy(&statement, folder)
    }

    fn copy(&self, statement: &str, folder: &Path) -> Option<Run> {
        let cqlsh = self.cqlsh.as_ref()?;
        let address = self.cluster.contact(1);
        let settings = folder.join("cqlshrc");
        // A value of 64 KB is longer than it takes for one by itself.
        std::fs::write(&settings, "[csv]\nfield_size_limit = 1000000\n").expect("settings");
        let mut command = Command::new(cqlsh);
        command
            .current_dir(folder)
            .args([address.ip().to_string(), address.port().to_string()])
            .arg("--cqlshrc")
            .arg(&settings)
            .args(["-e", statement]);
        Some(measured(&mut command, self.server()))
    }
}

fn csv(folder: &Path) -> PathBuf {
    folder.join("rows.csv")
}
