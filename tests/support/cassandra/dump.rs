//! What stands in a node's files, by the server's own sstabledump: what CQL does not show, tombstones and row markers, is
//! there too.

use std::fs;
use std::process::Command;

use super::cluster::Cluster;
use super::programs;

impl Cluster {
    /// Every partition of some tables as sstabledump shows it, once the node has written all it holds to files. The cluster was
    /// started with `nodetool`.
    pub fn dump(
        &self,
        node: usize,
        keyspace: &str,
        tables: &[&str],
    ) -> Vec<Vec<serde_json::Value>> {
        self.nodetool(node, &["flush", keyspace]);
        tables
            .iter()
            .map(|table| self.dump_table(node, keyspace, table))
            .collect()
    }

    fn dump_table(&self, node: usize, keyspace: &str, table: &str) -> Vec<serde_json::Value> {
        let folder = self.folder(node);
        let arguments = fs::read_to_string(folder.join("java.args")).expect("the node's arguments");
        let opened = arguments.lines().filter(|line| line.starts_with("--add"));
        let data = folder.join("data/data").join(keyspace);
        let mut partitions = Vec::new();
        for entry in fs::read_dir(data).expect("the keyspace's folder") {
            let path = entry.expect("a folder").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.split('-').next() != Some(table) {
                continue;
            }
            for file in fs::read_dir(path).expect("the table's folder") {
                let file = file.expect("a file").path();
                if !file.to_string_lossy().ends_with("-Data.db") {
                    continue;
                }
                let jars = self.jars(node);
                let output = Command::new(programs::java().expect("Java"))
                    .args(opened.clone())
                    .args([
                        "-Xmx128M",
                        "-Djava.security.manager=allow",
                        "-Dchronicle.analytics.disable=true",
                    ])
                    .arg(format!("-Dcassandra.storagedir={}/data", folder.display()))
                    .arg(format!(
                        "-Dcassandra.config=file://{}/cassandra.yaml",
                        folder.display()
                    ))
                    .arg(format!(
                        "-Dlogback.configurationFile=file://{}/logback.xml",
                        folder.display()
                    ))
                    .arg("-cp")
                    .arg(format!("{}/*", jars.display()))
                    .arg("org.apache.cassandra.tools.SSTableExport")
                    .arg(&file)
                    .arg("-l")
                    .output()
                    .expect("run sstabledump");
                let text = String::from_utf8_lossy(&output.stdout);
                let lines = text.lines().filter(|line| line.starts_with('{'));
                partitions.extend(lines.map(|line| {
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
                }));
                assert!(
                    output.status.success(),
                    "sstabledump: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
        partitions
    }
}
