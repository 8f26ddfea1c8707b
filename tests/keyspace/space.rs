//! A keyspace of a throw-away cluster, and a project beside it.

use crate::support::case::expect;
use crate::support::cassandra::Cluster;
use crate::support::kmig::{Kmig, Output, Project, project, words};
use kmig::backup::archive::Archive;
use std::fs;
use std::path::PathBuf;

/// A keyspace and a project.
pub struct Space<'a> {
    pub cluster: &'a Cluster,
    pub keyspace: String,
    pub project: Project,
}

impl<'a> Space<'a> {
    /// A fresh keyspace.
    pub fn new(cluster: &'a Cluster) -> Self {
        Self::with(cluster, &[("kmig.toml", "")])
    }

    /// A fresh keyspace and a project of these files.
    pub fn with(cluster: &'a Cluster, files: &[(&str, &str)]) -> Self {
        Space {
            keyspace: cluster.create_keyspace(),
            project: project(files),
            cluster,
        }
    }

    /// Runs CQL in the keyspace.
    #[track_caller]
    pub fn cql(&self, text: &str) -> String {
        self.cluster.run(&self.keyspace, text)
    }

    /// A command line of kmig, to be added to.
    pub fn kmig(&self, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        let url = self.cluster.url(&self.keyspace);
        self.project.kmig(words).env("KMIG_URL", url)
    }

    /// Runs a command line that must end with this code and say all this.
    #[track_caller]
    pub fn says(&self, line: &str, code: i32, texts: &[&str]) -> Output {
        expect(line, self.kmig(line).run(), code, texts)
    }

    /// A folder of the project.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    /// The sealed export in a folder of the project.
    pub fn archive(&self, name: &str) -> Archive {
        Archive::open(&self.folder(name)).expect("a sealed folder")
    }

    /// The folders below `backups`.
    pub fn backups(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder("backups")).expect("backups");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Every file below a folder of the project, with its bytes.
    pub fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.folder(name);
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let below = path.strip_prefix(&root).expect("below");
                    found.push((
                        below.display().to_string(),
                        fs::read(&path).expect("a file"),
                    ));
                }
            }
        }
        found.sort();
        found
    }
}
