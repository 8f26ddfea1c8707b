//! What an administrator does to a ring, and CQL cannot: nodetool, which lies in the same jars as the server.

use std::process::Command;

use super::cluster::Cluster;
use super::{config, programs};

impl Cluster {
    /// Runs nodetool against a node; the cluster was started with `nodetool`.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn nodetool(&self, node: usize, words: &[&str]) -> String {
        let java = programs::java().expect("Java runs the nodes");
        let jars = self.version_of(node).jars().expect("the nodes run on them");
        let output = Command::new(java)
            .env_clear()
            .current_dir(self.folder(node))
            .args(config::opened())
            .arg("-Djava.security.manager=allow")
            // Without it current versions of Java find no address in what nodetool asks for.
            .arg("-Dcom.sun.jndi.rmiURLParsing=legacy")
            .arg(format!("-Duser.home={}", self.folder(node).display()))
            .arg("-cp")
            .arg(jars.join("*"))
            .args(["org.apache.cassandra.tools.NodeTool", "-h", "127.0.0.1"])
            .args(["-p", &self.nodetool_port(node).to_string()])
            .args(words)
            .output()
            .expect("start nodetool");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (said, error) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "nodetool {words:?} failed:\n{said}{error}"
        );
        said
    }
}
