//! Rings that cannot agree, or not be trusted: members of several versions, clocks that are apart (traps C7).

use crate::cassandra_nodes::{BASE, FINISH_LINE};
use crate::support::case::expect;
use crate::support::cassandra::{self, Cluster, Options, Version};
use crate::support::kmig::{Output, Project, project, words};

/// A line of kmig in a project, against a cluster.
fn kmig(cluster: &Cluster, project: &Project, keyspace: &str, line: &str) -> Output {
    let words = words(line).expect("a command line").split_off(1);
    project
        .kmig(words)
        .env("KMIG_URL", cluster.url(keyspace))
        .run()
}

/// What a node has of a keyspace's tables.
fn tables(cluster: &Cluster, node: usize, keyspace: &str) -> String {
    let of = format!("where keyspace_name = '{keyspace}'");
    let text = format!(
        "select table_name, id from system_schema.tables {of}; \
         select table_name, column_name from system_schema.columns {of}"
    );
    let found = cluster.node_cql(node, "", &text);
    found.unwrap_or_else(|error| panic!("{error}"))
}

fn keyspace(cluster: &Cluster, name: &str) {
    let all = cluster.size();
    cluster.run(
        "",
        &format!("create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': {all}}}"),
    );
}

#[test]
fn members_of_several_versions_are_named_and_nothing_is_changed() {
    if !cassandra::available() || !cassandra::available_in(Version::V4_1) {
        return;
    }
    let _turn = cassandra::turn();
    let cluster = Cluster::start(Options {
        nodes: 2,
        versions: vec![(2, Version::V4_1)],
        ..Options::default()
    });
    let project = project(&[("kmig.toml", ""), BASE]);
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    for node in [1, 2] {
        let text = format!("create keyspace if not exists app with replication = {replication}");
        let made = cluster.node_cql(node, "", &text);
        made.unwrap_or_else(|error| panic!("{error}"));
    }
    // A node is listed a moment after it is seen.
    cluster.await_rows("", "select release_version from system.peers_v2", "4.1.10");
    let output = kmig(&cluster, &project, "app", "kmig bootstrap");
    let addresses = [1, 2].map(|node| cluster.contact(node).ip().to_string());
    let texts = [
        "run different versions of Cassandra",
        "5.0.9",
        "4.1.10",
        &addresses[0],
        &addresses[1],
        "nothing was run",
        "finish the rolling upgrade",
    ];
    expect("kmig bootstrap", output, 1, &texts);
    for node in [1, 2] {
        assert_eq!(tables(&cluster, node, "app"), "");
    }
}

#[test]
fn clocks_that_are_apart_are_told_and_nothing_is_changed() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let cluster = Cluster::start(Options {
        nodes: 2,
        clocks: vec![(2, 60_000)],
        ..Options::default()
    });
    let project = project(&[("kmig.toml", ""), BASE]);
    keyspace(&cluster, "app");
    let ahead = cluster.contact(2).ip().to_string();
    let output = kmig(&cluster, &project, "app", "kmig bootstrap");
    let texts = [
        "the clocks of the members are",
        &ahead,
        "nothing was run",
        "NTP",
    ];
    expect("kmig bootstrap", output, 1, &texts);
    assert_eq!(tables(&cluster, 1, "app"), "");
}

#[test]
fn what_was_written_into_the_future_is_refused_until_its_time_has_come() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    const HOUR: i64 = 3_600_000;
    let cluster = Cluster::start(Options {
        clocks: vec![(1, HOUR)],
        ..Options::default()
    });
    keyspace(&cluster, "app");
    cluster.run("app", "create table old (id int primary key, n int)");
    // Its clock is set right.
    cluster.set_clock(1, 0);
    cluster.restart(1);
    let project = project(&[("kmig.toml", ""), BASE]);
    expect(
        "bootstrap",
        kmig(&cluster, &project, "app", "kmig bootstrap"),
        0,
        &[],
    );
    let up = "migrations/core/002_old/up.cql";
    let finish = "migrations/core/002_old/finish.cql";
    project.write(
        up,
        "CREATE TABLE new (id int PRIMARY KEY);\nALTER TABLE old ADD m int;\n",
    );
    project.write(finish, "ALTER TABLE old DROP n;\nDROP TABLE old;\n");
    let before = tables(&cluster, 1, "app");
    let texts = [
        "core/002_old/up.cql:2:1",
        "in the future, by a node whose clock was ahead",
        "this statement was not sent",
        "set the clocks right",
    ];
    expect("up", kmig(&cluster, &project, "app", "kmig up"), 1, &texts);
    let old = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("old|"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(old(&tables(&cluster, 1, "app")), old(&before));
    let intents = "select kind from schema_meta_journal where kind = 'intent' allow filtering";
    assert_eq!(
        cluster.run("app", intents).lines().count(),
        1,
        "that of BASE"
    );

    // An hour goes by, and one more.
    cluster.set_clock(1, 2 * HOUR);
    cluster.restart(1);
    expect("up", kmig(&cluster, &project, "app", "kmig up"), 0, &[]);
    expect(
        "finish",
        kmig(&cluster, &project, "app", FINISH_LINE),
        0,
        &[],
    );
    assert!(old(&tables(&cluster, 1, "app")).is_empty());
}
