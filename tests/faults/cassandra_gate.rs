//! The gate of `finish` on Cassandra (fault matrix: old app reconnects during the finish window): old clients that appear at each
//! moment, at any node, without a name, by an old role; tables that are still used; nodes that cannot be looked at.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cassandra_nodes::{Case as RingCase, FINISH as RING_FINISH, ring};
use crate::support::case::{document, expect};
use crate::support::cassandra::{self, Cluster, Options, Version};
use crate::support::frame_proxy::{At, FrameProxy, Harm};
use crate::support::kmig::{Kmig, Output, Project, project, words};

const FINISH: &str = "kmig finish -y";

/// An upgrade whose finish drops a column, then a table.
const FILES: [(&str, &str); 4] = [
    (
        "migrations/core/001_base/up.cql",
        "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE TABLE old (id int PRIMARY KEY);",
    ),
    (
        "migrations/core/002_next/up.cql",
        "ALTER TABLE t ADD b int;",
    ),
    (
        "migrations/core/002_next/finish.cql",
        "ALTER TABLE t DROP a;\nDROP TABLE old;",
    ),
    ("kmig.toml", ""),
];

/// A keyspace of a cluster that owes the finish.
struct Case<'a> {
    cluster: &'a Cluster,
    project: Project,
    keyspace: String,
}

impl<'a> Case<'a> {
    fn pending(cluster: &'a Cluster) -> Self {
        let case = Self {
            cluster,
            project: project(&[FILES[0], FILES[3]]),
            keyspace: cluster.create_keyspace(),
        };
        case.says("kmig bootstrap", 0, &[]);
        for (path, text) in &FILES[1..3] {
            case.project.write(path, text);
        }
        case.says("kmig up", 0, &[]);
        case
    }

    fn kmig(&self, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        self.project
            .kmig(words)
            .env("KMIG_URL", self.cluster.url(&self.keyspace))
            .env("KMIG_APP_NAME", "gw")
            .env("KMIG_APP_VERSION", "2.0")
            .env("KMIG_GATE_IGNORE", "harness")
    }

    #[track_caller]
    fn says(&self, line: &str, code: i32, texts: &[&str]) -> Output {
        expect(line, self.kmig(line).run(), code, texts)
    }

    /// Whether column and table are there.
    fn left(&self) -> (bool, bool) {
        let of = format!("where keyspace_name = '{}'", self.keyspace);
        let ask = |text: String| !self.cluster.run("", &text).is_empty();
        (
            ask(format!(
                "select type from system_schema.columns {of} and table_name = 't' and column_name = 'a'"
            )),
            ask(format!(
                "select id from system_schema.tables {of} and table_name = 'old'"
            )),
        )
    }
}

fn one_node(version: Version, proxied: bool) -> Option<Cluster> {
    cassandra::available_in(version).then(|| {
        Cluster::start(Options {
            version,
            proxied,
            ..Options::default()
        })
    })
}

/// On the version that first shows what clients announce, and on the newest.
#[test]
fn old_clients_that_come_at_each_moment_keep_what_is_left_from_being_run() {
    for version in [Version::V5_0, Version::V4_1] {
        let _turn = cassandra::turn();
        let Some(cluster) = one_node(version, true) else {
            return;
        };
        let line = FrameProxy::start(&cluster);
        for (text, left) in [
            // While it is looked, in front of the first statement, and between the two.
            ("system_views.clients", (true, true)),
            ("lease", (true, true)),
            ("DROP a", (false, true)),
        ] {
            line.heal();
            let case = Case::pending(&cluster);
            line.harm(At::Sent(text.to_owned()), Harm::Hold);
            let finish = case.kmig(FINISH).env("KMIG_URL", line.url(&case.keyspace));
            let mut running = finish.start();
            assert!(line.struck_or(|| running.has_ended()), "{}", running.wait());
            let client = cluster.client(1, "gw/1.0");
            line.release();
            let texts = [
                "the gate is closed",
                "gw/1.0",
                "1.0 is older than 2.0",
                "at 127.",
            ];
            let output = expect(text, running.wait(), 7, &texts);
            assert_eq!(case.left(), left, "{text}: {output}");
            case.says("kmig status --exit-code", 4, &["gate: closed"]);
            case.says(FINISH, 7, &["gw/1.0"]);
            assert_eq!(case.left(), left, "{text}");
            drop(client);
            case.says(FINISH, 0, &["gate: open"]);
            assert_eq!(case.left(), (false, false), "{text}");
            case.says("kmig status --exit-code", 0, &[]);
        }
    }
}

/// No more than a look's queries of each node, and none beyond the window's, one under the lease and one a statement.
#[test]
fn the_gate_asks_once_a_look() {
    let _turn = cassandra::turn();
    let Some(cluster) = one_node(Version::V5_0, true) else {
        return;
    };
    let line = FrameProxy::start(&cluster);
    let case = Case::pending(&cluster);
    line.count_anew();
    let finish = case.kmig("kmig finish -y --json");
    let output = finish.env("KMIG_URL", line.url(&case.keyspace)).run();
    let output = expect("finish", output, 0, &[]);
    let gate = &document("finish", &output)["gate"];
    let looks = gate["looks"].as_u64().expect("a number");
    let texts = line.texts();
    let asked = |text: &str| texts.iter().filter(|sent| sent.contains(text)).count() as u64;
    assert_eq!(asked("system_views.clients"), looks + 1 + 2, "{output}");
    assert_eq!(
        asked("system_views.coordinator_read_latency"),
        looks + 1 + 2
    );
    // A warning, asked for once in front and once under the lease.
    assert_eq!(asked("system.prepared_statements"), 2);
}

/// What announces nothing is told apart by its role, or not at all.
#[test]
fn clients_without_a_name_are_told_apart_by_role() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let cluster = Cluster::start(Options {
        auth: true,
        ..Options::default()
    });
    let case = Case::pending(&cluster);
    for role in ["app_old", "app_new"] {
        let text = format!("create role {role} with password = 'x' and login = true");
        cluster.run("", &text);
    }
    let mut opened = None;
    // A role that was just made is not known to every cache at once.
    let since = std::time::Instant::now();
    while opened.is_none() && since.elapsed().as_secs() < 60 {
        opened = std::panic::catch_unwind(|| cluster.client_as(("app_old", "x"), "")).ok();
    }
    let old = opened.expect("the role can log in");
    let new = cluster.client_as(("app_new", "x"), "");
    case.says(
        FINISH,
        7,
        &["(no name)", "as app_old", "as app_new", "announces no name"],
    );
    let by_role = || case.kmig(FINISH).env("KMIG_GATE_OLD_ROLES", "app_old");
    let output = expect(
        FINISH,
        by_role().run(),
        7,
        &["as app_old", "role of the old version"],
    );
    assert!(!output.stderr.contains("as app_new"), "{output}");
    assert_eq!(case.left(), (true, true));
    drop(old);
    expect(FINISH, by_role().run(), 0, &["gate: open"]);
    drop(new);
}

/// Nobody of a name is connected, and yet somebody reads what is to be dropped.
#[test]
fn a_table_that_is_still_used_closes_it() {
    let _turn = cassandra::turn();
    let Some(cluster) = one_node(Version::V5_0, false) else {
        return;
    };
    let case = Case::pending(&cluster);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                cluster.run(&case.keyspace, "select * from old where id = 1");
            }
        });
        let finish = case.kmig(FINISH).env("KMIG_GATE_WINDOW", "2s").run();
        over.store(true, Ordering::Relaxed);
        let texts = ["old is still read or written", "more requests", "at 127."];
        expect(FINISH, finish, 7, &texts);
    });
    assert_eq!(case.left(), (true, true));
    case.says(FINISH, 0, &["no request for old at 1 node"]);
}

/// A statement that was prepared and names the column proves nothing, and is shown.
#[test]
fn prepared_statements_that_name_a_dropped_column_are_shown() {
    let _turn = cassandra::turn();
    let Some(cluster) = one_node(Version::V5_0, false) else {
        return;
    };
    let case = Case::pending(&cluster);
    let text = format!("select a from {}.t where id = ?", case.keyspace);
    cluster.client(1, "gw/1.0").prepare(&text).expect("prepare");
    let output = case.says(FINISH, 0, &["gate: warning no evidence", &text]);
    assert!(output.stderr.contains("gate: open"), "{output}");
    assert_eq!(case.left(), (false, false));
}

/// A client of any node counts, and a node that cannot be asked keeps the gate closed.
#[test]
fn every_node_is_asked_and_one_that_is_down_closes_it() {
    let Some((ring, _turn)) = ring() else { return };
    let case = RingCase::upgrade(ring);
    case.project.write(RING_FINISH.0, RING_FINISH.1);
    case.run("kmig up", 0);
    let finish = || {
        let kmig = case.impatient(FINISH);
        let kmig = kmig
            .env("KMIG_APP_NAME", "gw")
            .env("KMIG_APP_VERSION", "2.0");
        kmig.env("KMIG_GATE_IGNORE", "harness")
    };
    let third = ring.cluster.client(3, "gw/1.0");
    let [address, id] = ring.marks(3);
    expect(FINISH, finish().run(), 7, &["gw/1.0", &address]);
    drop(third);
    let before = case.schema(1);
    ring.cluster.kill(3);
    let texts = ["a node could not be looked at", &address, &id, "removenode"];
    expect(FINISH, finish().run(), 7, &texts);
    assert_eq!(case.schema(1), before);
    ring.cluster.restart(3);
    ring.cluster.await_agreement();
    expect(FINISH, finish().run(), 0, &["gate: open"]);
}
