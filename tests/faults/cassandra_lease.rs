//! The lease on Cassandra: who works, who waits and for how long, and what one writes that has lost it.

use std::time::{Duration, Instant};

use crate::cassandra_node::{Node, node};
use crate::support::case::expect;
use crate::support::cassandra;
use crate::support::cassandra::Cluster;
use crate::support::frame_proxy::{At, FrameProxy, Harm};
use crate::support::kmig::{Kmig, Project, Running, project};

/// How long a test waits for something to come about.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run that no machine of this test can prove dead.
const STRANGER: &str = "zzzzzzzz.4711.1";

/// A node behind a proxy, and a keyspace with its first migration in it and two to come.
pub struct Stage {
    cluster: &'static Cluster,
    pub line: &'static FrameProxy,
    pub keyspace: String,
    pub project: Project,
}

impl Stage {
    pub fn new() -> Self {
        let Node { cluster, line } = node();
        let toml =
            "[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 1 }\n";
        let base = "CREATE TABLE base (id int PRIMARY KEY, n int);\n\
                    CREATE TABLE counts (id int PRIMARY KEY, n counter);\n";
        let stage = Self {
            keyspace: cluster.keyspace(),
            project: project(&[
                ("kmig.toml", toml),
                ("migrations/core/001_base/up.cql", base),
            ]),
            line,
            cluster,
        };
        expect("bootstrap", stage.kmig(&["bootstrap"]).run(), 0, &[]);
        for (path, text) in [
            ("002_two", "CREATE TABLE two (id int PRIMARY KEY);\n"),
            (
                "003_three",
                "CREATE TABLE three (id int PRIMARY KEY);\nINSERT INTO three (id) VALUES (1);\n\
                 -- kmig:done-when SELECT n FROM counts WHERE id = 1\nUPDATE counts SET n = n + 1 WHERE id = 1;\n",
            ),
        ] {
            let path = format!("migrations/core/{path}/up.cql");
            stage.project.write(&path, text);
        }
        stage
    }

    /// A command of kmig; a lease lasts for 4 s.
    pub fn kmig(&self, args: &[&str]) -> Kmig {
        let command = self.project.kmig(args);
        let command = command.env("KMIG_URL", self.line.url(&self.keyspace));
        command.env("KMIG_CASSANDRA_LEASE", "4s")
    }

    pub fn cql(&self, text: &str) -> String {
        self.cluster.run(&self.keyspace, text)
    }

    /// An `up` that is stopped where it is once a statement has gone to the node; everybody else works.
    pub fn stopped(&self, lease: &str, statement: &str) -> Running {
        self.stopped_at(lease, At::Statement(statement.to_owned()))
    }

    /// An `up` that is stopped behind a request; everybody else works.
    pub fn stopped_at(&self, lease: &str, at: At) -> Running {
        self.line.heal();
        self.line.harm(at, Harm::Hold);
        let up = self.kmig(&["up", "--lock-wait", "60s"]);
        let running = up.env("KMIG_CASSANDRA_LEASE", lease).start();
        let running = self.line.await_struck_by(running);
        running.signal("STOP");
        self.line.release();
        running
    }

    /// What a run leaves: the journal, the fence and the rows.
    fn picture(&self) -> String {
        let journal = "select at, run, kind, detail from schema_meta_journal";
        let meta =
            "select owner, epoch, written, number, state, statements_done, intent from schema_meta";
        format!("{}\n{}", self.cql(journal), self.cql(meta))
    }

    #[track_caller]
    pub fn assert_done_once(&self) {
        assert_eq!(self.cql("select n from counts"), "1");
        assert_eq!(self.cql("select id from three"), "1");
        let steps = self.cql("select number, part, first_statement, kind from schema_meta_journal");
        let mut steps: Vec<_> = steps
            .lines()
            .filter(|line| line.ends_with("|step"))
            .collect();
        steps.sort_unstable();
        let all = steps.len();
        steps.dedup();
        assert_eq!(steps.len(), all, "a step was recorded twice");
        assert_eq!(self.cql("select owner from schema_meta limit 1"), "");
        expect("up again", self.kmig(&["up"]).run(), 0, &["Nothing new."]);
    }

    /// Writes another run into the fence and the lease, as if it had been started elsewhere and had just renewed.
    fn estrange(&self) {
        let incarnation = self.cql("select incarnation from schema_meta limit 1");
        let ticket = self.cql("select ticket from schema_meta_lease");
        self.cql(&format!(
            "update schema_meta set owner = '{STRANGER}' where incarnation = {incarnation} if owner != null;
             update schema_meta_lease using ttl 20 set owner = '{STRANGER}', ticket = {ticket}, beat = 7, \
             executed_by = 'x', application = 'elsewhere', since = toTimestamp(now()) \
             where incarnation = {incarnation} if ticket = {ticket}"
        ));
    }
}

#[test]
fn a_stopped_holder_is_waited_for_and_writes_nothing_once_another_took_over() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    // Behind the intent, and behind the statement itself.
    for at in [At::Sent, At::Statement] {
        let stage = Stage::new();
        let running = stage.stopped_at("4s", at("CREATE TABLE two".to_owned()));
        let since = Instant::now();
        let other = stage.kmig(&["up", "--lock-wait", "60s"]).run();
        expect("the other", other, 0, &["waiting"]);
        assert!(
            since.elapsed() >= Duration::from_secs(3),
            "it took over too soon"
        );
        stage.assert_done_once();
        let before = stage.picture();
        running.signal("CONT");
        let output = running.wait();
        expect("the first", output, 0, &[]);
        let runs = |picture: &str| {
            picture
                .lines()
                .filter(|line| line.contains("|step|"))
                .count()
        };
        assert_eq!(runs(&stage.picture()), runs(&before), "it went on working");
        stage.assert_done_once();
    }
}

#[test]
fn a_holder_that_is_proved_dead_is_not_waited_for_and_a_stranger_is() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    stage.stopped("60s", "CREATE TABLE two").kill();
    let up = |lease: &str, wait: &str| {
        let up = stage.kmig(&["up", "--lock-wait", wait]);
        up.env("KMIG_CASSANDRA_LEASE", lease).run()
    };
    stage.estrange();
    // The proof is not there: neither while the row lives, nor at once when it is gone.
    let since = Instant::now();
    expect("at once", up("4s", "0s"), 6, &["process 4711"]);
    expect("a stranger", up("4s", "90s"), 0, &[]);
    assert!(
        since.elapsed() >= Duration::from_secs(18),
        "it took over too soon"
    );
    stage.assert_done_once();
    // A lease of a minute, and the proof: nothing is waited for.
    stage.project.write(
        "migrations/core/004_four/up.cql",
        "CREATE TABLE two_more (id int PRIMARY KEY);\nCREATE TABLE four (id int PRIMARY KEY);\n",
    );
    stage.stopped("600s", "CREATE TABLE two_more").kill();
    expect("proved dead", up("600s", "0s"), 0, &[]);
    stage.assert_done_once();
}

#[test]
fn a_lease_has_all_its_columns_as_long_as_it_lives_and_its_holder_is_named() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let mut running = stage.stopped("600s", "CREATE TABLE two");
    expect(
        "show",
        stage.kmig(&["lock", "show"]).run(),
        0,
        &["kmig/", &running.pid().to_string()],
    );
    expect(
        "up",
        stage.kmig(&["up", "--lock-wait", "500ms"]).run(),
        6,
        &[&running.pid().to_string(), "kmig lock show"],
    );
    running.signal("CONT");
    let look = "select owner, ticket, beat, executed_by, application, since from schema_meta_lease";
    let since = Instant::now();
    let mut seen = 0;
    while !running.has_ended() {
        assert!(since.elapsed() < PATIENCE, "the run does not end");
        let row = stage.cql(look);
        if !row.is_empty() {
            seen += 1;
            let whole = row.split('|').all(|column| !column.is_empty());
            assert!(whole, "the lease is there in part: {row}");
        }
    }
    expect("the holder", running.wait(), 0, &[]);
    assert!(seen > 0, "the lease was never seen");
    stage.assert_done_once();
}

#[test]
fn a_lease_expires_as_a_whole_after_renewals() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    // Renewals come at thirds of the lease, and pass.
    let swallowed = At::Statement("CREATE TABLE two".to_owned());
    stage.line.harm(swallowed, Harm::Swallow);
    let up = stage.kmig(&["up"]);
    let running = up.env("KMIG_CASSANDRA_LEASE", "9s").start();
    let running = stage.line.await_struck_by(running);
    let beat = || stage.cql("select beat from schema_meta_lease");
    let since = Instant::now();
    while beat().parse().unwrap_or(0) < 1 {
        assert!(since.elapsed() < PATIENCE, "the lease is not renewed");
    }
    running.kill();
    let look = "select owner, ticket, beat, executed_by, application, since from schema_meta_lease";
    loop {
        assert!(since.elapsed() < PATIENCE, "the lease does not expire");
        let row = stage.cql(look);
        if row.is_empty() {
            break;
        }
        let whole = row.split('|').all(|column| !column.is_empty());
        assert!(whole, "the lease is there in part: {row}");
    }
    expect("up", stage.kmig(&["up"]).run(), 0, &[]);
    stage.assert_done_once();
}

#[test]
fn a_lease_that_is_broken_stops_its_holder() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let lease = "20s";
    let running = stage.stopped(lease, "CREATE TABLE two");
    let args = ["lock", "break", "--yes", "--reason", "test"];
    let broken = stage.kmig(&args).run();
    expect("break", broken, 0, &[&running.pid().to_string()]);
    let other = stage.kmig(&["up", "--lock-wait", "60s"]);
    let other = other.env("KMIG_CASSANDRA_LEASE", lease).run();
    expect("the other", other, 0, &[]);
    running.signal("CONT");
    expect("the first", running.wait(), 1, &["kmig lock break"]);
    stage.assert_done_once();
}

#[test]
fn a_longer_lease_than_ones_own_is_waited_for() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    // It renews once in 8 s, and has two thirds of its lease left then.
    let running = stage.stopped("24s", "CREATE TABLE two");
    let left = "select ttl(ticket) from schema_meta_lease";
    let left: u64 = stage.cql(left).parse().expect("seconds");
    // Its row lives a second longer than it holds.
    let left = left.saturating_sub(1);
    let since = Instant::now();
    let other = stage.kmig(&["up", "--lock-wait", "60s"]).run();
    expect("the other", other, 0, &["waiting"]);
    let waited = since.elapsed();
    assert!(
        waited >= Duration::from_secs(left),
        "{waited:?} of {left} s"
    );
    running.signal("CONT");
    expect("the first", running.wait(), 0, &[]);
    stage.assert_done_once();
}
