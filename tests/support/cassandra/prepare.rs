//! What must lie in a node's folder before it starts, and its command line.

use std::fs;
use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::config::{self, Place};
use super::node::Node;
use super::tls::Tls;
use super::{Options, clock, programs};

/// Writes a node's configuration; it does not run yet.
pub fn prepare(
    options: &Options,
    node: usize,
    folder: PathBuf,
    claim: &Claim,
    tls: Option<&Tls>,
    nodetool: Option<u16>,
) -> Node {
    let version = options.version_of(node);
    let missing = || {
        let number = version.number();
        format!("no Cassandra {number}: run scripts/ensure-cassandra {number}")
    };
    let java = programs::java().unwrap_or_else(|| panic!("{}", missing()));
    let jars = version.jars().unwrap_or_else(|| panic!("{}", missing()));
    let (prefix, told) = (format!("127.0.{}", claim.x), format!("127.1.{}", claim.x));
    let place = Place {
        node,
        prefix: &prefix,
        told: options.proxied.then_some(told.as_str()),
        folder: &folder,
        tls,
        nodetool,
    };
    if let Some(datacenter) = options.datacenters.get(node - 1) {
        let text = format!("dc={datacenter}\nrack=rack1\n");
        fs::write(place.properties(), text).expect("write a node's datacenter");
    }
    let files = [
        ("cassandra.yaml", config::yaml(options, &place)),
        ("java.args", config::java_arguments(options, &place)),
        ("logback.xml", config::LOGBACK.to_owned()),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("write a node's configuration");
    }
    let ahead = options.clocks.iter().find(|(of, _)| *of == node);
    if let Some((_, ahead)) = ahead {
        clock::write(&folder, *ahead);
    }
    let command = [
        java.display().to_string(),
        format!("@{}/java.args", folder.display()),
        format!("-javaagent:{}", jamm(&jars).display()),
        "-cp".to_owned(),
        format!("{}/*:{}", jars.display(), folder.display()),
        "org.apache.cassandra.service.CassandraDaemon".to_owned(),
    ];
    Node::new(folder, &command, &claim.file)
}

/// The agent by which Cassandra measures its memory.
fn jamm(jars: &Path) -> PathBuf {
    let jars = fs::read_dir(jars).expect("the folder of the jars");
    let mut paths = jars.flatten().map(|jar| jar.path());
    let is_jamm = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("jamm-") && name.ends_with(".jar")
    };
    paths.find(is_jamm).expect("jamm is among the jars")
}

/// A folder that no other node has; its supervisor removes it.
pub fn new_folder() -> PathBuf {
    tempfile::Builder::new()
        .prefix("kmig-cassandra-")
        .tempdir()
        .expect("make a temporary folder")
        .keep()
}
