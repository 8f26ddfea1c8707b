//! The Cassandra of the tests itself: a test of kmig proves nothing on nodes that are not what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::cassandra::{self, ClientTls, Cluster, Consistency, Options, Version};

#[test]
fn the_shared_node_answers_with_rows_and_errors() {
    if !cassandra::available() {
        return;
    }
    let cluster = cassandra::shared();
    let (one, other) = (cluster.create_keyspace(), cluster.create_keyspace());
    let rows = cluster.run(
        &one,
        "create table t (a int primary key, b text, c map<text, int>, d list<frozen<tuple<int, text>>>, e uuid, f blob);
         insert into t (a, b, c) values (1, 'x;y', {'k': -7});
         insert into t (a, d, e, f) values (2, [(1, 'z')], 4b8c2f4e-0000-4000-8000-00000000002a, 0x00ff);
         select a, b, c, d, e, f from t",
    );
    let mut rows: Vec<_> = rows.lines().collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        [
            "1|x;y|{k: -7}|||",
            "2|||[(1, z)]|4b8c2f4e-0000-4000-8000-00000000002a|0x00ff"
        ]
    );
    let refused = cluster
        .cql(&other, "select a from t")
        .expect_err("no table");
    assert!(refused.starts_with("0x2200 "), "{refused}");
    assert_eq!(
        cluster.url(&one),
        format!("cassandra://{}/{one}", cluster.contact(1))
    );
    let version = cluster.node_cql(1, "", "select release_version from system.local");
    assert_eq!(version.as_deref(), Ok("5.0.9"));
}

#[test]
fn a_killed_node_comes_back_with_its_schema_and_rows() {
    if !cassandra::available() {
        return;
    }
    let cluster = Cluster::start(Options {
        nodes: 3,
        ..Options::default()
    });
    let keyspace = cluster.create_keyspace();
    cluster.run(
        &keyspace,
        "create table t (a int primary key); insert into t (a) values (1)",
    );
    let rows = |node| {
        let all = Consistency::All;
        cluster.node_cql_at(node, &keyspace, "select a from t", all)
    };
    assert_eq!(rows(3).as_deref(), Ok("1"));

    let before = cluster.pid(2);
    cluster.kill(2);
    assert!(!std::path::Path::new(&format!("/proc/{before}")).exists());
    assert!(rows(1).is_err(), "a replica is gone");
    cluster.run(&keyspace, "insert into t (a) values (2)");
    cluster.restart(2);
    assert_ne!(cluster.pid(2), before);
    let mut found: Vec<_> = rows(2)
        .expect("all are there")
        .lines()
        .map(String::from)
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["1", "2"]);

    // A paused node accepts connections and answers nothing.
    cluster.pause(3);
    cluster.run(&keyspace, "insert into t (a) values (3)");
    cluster.cont(3);
    assert!(
        cluster
            .node_cql(3, "", "select key from system.local")
            .is_ok()
    );

    let folders = [1, 2, 3].map(|node| cluster.folder(node));
    let pids = [1, 2, 3].map(|node| cluster.pid(node));
    drop(cluster);
    for (folder, pid) in folders.iter().zip(pids) {
        assert!(!folder.exists());
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

/// The test starts itself once more, with the variable set: that child starts a node and is then killed.
#[test]
fn a_node_does_not_outlive_a_killed_test() {
    const CHILD: &str = "KMIG_CASSANDRA_HARNESS_CHILD";
    if !cassandra::available() {
        return;
    }
    if std::env::var_os(CHILD).is_some() {
        let cluster = Cluster::start(Options::default());
        println!("\nnode {} {}", cluster.pid(1), cluster.folder(1).display());
        loop {
            std::thread::park();
        }
    }
    let mut child = Command::new(std::env::current_exe().expect("this test's path"))
        .args([
            "--exact",
            "--nocapture",
            "cassandra_harness::a_node_does_not_outlive_a_killed_test",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the child");
    let line = BufReader::new(child.stdout.take().expect("the child's output"))
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("node ").map(String::from))
        .expect("the child names its node");
    let (pid, folder) = line.split_once(' ').expect("two words");
    let places = [PathBuf::from(format!("/proc/{pid}")), PathBuf::from(folder)];
    assert!(places.iter().all(|place| place.exists()));
    child.kill().expect("kill the child");
    child.wait().expect("wait for the child");
    let since = Instant::now();
    while let Some(place) = places.iter().find(|place| place.exists()) {
        let left = format!("{} is still there", place.display());
        assert!(since.elapsed() < Duration::from_secs(30), "{left}");
        std::thread::yield_now();
    }
}

#[test]
fn nodes_ask_for_logins_and_certificates_when_told() {
    if !cassandra::available() {
        return;
    }
    let cluster = Cluster::start(Options {
        auth: true,
        tls: ClientTls::Mutual,
        ..Options::default()
    });
    let logged_in = "select username from system_views.clients";
    let names = cluster.node_cql(1, "", logged_in).expect("over TLS");
    assert!(names.lines().all(|name| name == "cassandra"), "{names}");
    assert!(cluster.url("k").contains("cassandra:cassandra@"));

    // What the cluster asks for is really asked for: plain text finds no answer.
    let mut plain = TcpStream::connect(cluster.contact(1)).expect("connect");
    plain
        .write_all(&[4, 0, 0, 0, 5, 0, 0, 0, 0])
        .expect("send OPTIONS");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_ne!(answer.first(), Some(&0x84));
}

#[test]
fn nodes_of_two_versions_make_one_ring() {
    if !cassandra::available() || !cassandra::available_in(Version::V4_1) {
        return;
    }
    let cluster = Cluster::start(Options {
        nodes: 2,
        versions: vec![(2, Version::V4_1)],
        ..Options::default()
    });
    let version = |node| cluster.node_cql(node, "", "select release_version from system.local");
    let peer = |node| cluster.node_cql(node, "", "select release_version from system.peers_v2");
    assert_eq!(version(1).as_deref(), Ok(Version::V5_0.number()));
    assert_eq!(version(2).as_deref(), Ok(Version::V4_1.number()));
    assert_eq!((peer(1), peer(2)), (version(2), version(1)));
}
