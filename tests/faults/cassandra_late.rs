//! Statements that come to the cluster late (traps C4, C9): after the executor that sent them was killed, and another one has
//! gone on.

use std::time::{Duration, Instant};

use crate::cassandra_lease::Stage;
use crate::support::case::expect;
use crate::support::cassandra;
use crate::support::frame_proxy::{At, Harm};

/// How long a test waits for something to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// The gate has nobody to ask here.
pub const FINISH: [&str; 5] = ["finish", "--yes", "--assume-gone", "--reason", "nobody"];

impl Stage {
    /// How many tables of that name the keyspace has.
    fn tables(&self, name: &str) -> usize {
        let query = format!(
            "select table_name from system_schema.tables where keyspace_name = '{}' and table_name = '{name}'",
            self.keyspace
        );
        self.cql(&query).lines().count()
    }

    /// An `up` that is killed while a statement of it is under way to the node; it arrives with [`Stage::arrive`].
    fn killed_in_flight(&self, statement: &str) {
        self.line.heal();
        self.line
            .harm(At::Statement(statement.to_owned()), Harm::Late);
        let running = self.kmig(&["up"]).start();
        self.line.await_struck_by(running).kill();
    }

    /// What was under way arrives.
    fn arrive(&self) {
        self.line.release();
    }
}

#[test]
fn what_a_killed_run_had_sent_is_waited_for_and_named_where_it_comes_later_still() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let finish = "DROP TABLE two;\n";
    stage
        .project
        .write("migrations/core/002_two/finish.cql", finish);
    stage.killed_in_flight("CREATE TABLE two");
    // It sends the same statement, and leaves only once the first can no longer come: the finish would drop before it.
    expect("up", stage.kmig(&["up"]).run(), 0, &["may still arrive"]);
    stage.assert_done_once();
    expect("finish", stage.kmig(&FINISH).run(), 0, &[]);
    assert_eq!(stage.tables("two"), 0);

    // Later than any server takes, as no clock can rule out.
    stage.arrive();
    let since = Instant::now();
    while stage.tables("two") == 0 {
        assert!(since.elapsed() < PATIENCE, "it does not arrive");
    }
    let four = "CREATE TABLE four (id int PRIMARY KEY);\n";
    stage.project.write("migrations/core/004_four/up.cql", four);
    let named = [
        "table two is there again",
        "002_two/finish.cql:1:1",
        "drop it where nobody needs it",
    ];
    expect("up", stage.kmig(&["up"]).run(), 0, &named);
    assert_eq!(
        stage.tables("two"),
        1,
        "kmig drops nothing that may be in use"
    );
    stage.cql("drop table two");
    let five = four.replace("four", "five");
    stage
        .project
        .write("migrations/core/005_five/up.cql", &five);
    let output = expect("up", stage.kmig(&["up"]).run(), 0, &[]);
    assert!(!output.to_string().contains("there again"), "{output}");
}

#[test]
fn what_was_dropped_for_good_and_made_by_hand_is_named() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    let finish = "ALTER TABLE base DROP n;\n";
    stage
        .project
        .write("migrations/core/002_two/finish.cql", finish);
    expect("up", stage.kmig(&["up"]).run(), 0, &[]);
    expect("finish", stage.kmig(&FINISH).run(), 0, &[]);
    stage.cql("alter table base add n int");
    let four = "CREATE TABLE four (id int PRIMARY KEY);\n";
    stage.project.write("migrations/core/004_four/up.cql", four);
    let named = ["is there again", "002_two/finish.cql:1:1"];
    expect("up", stage.kmig(&["up"]).run(), 0, &named);
}

#[test]
fn a_write_in_doubt_is_not_repeated_once_its_tombstones_may_be_gone() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = Stage::new();
    expect("up", stage.kmig(&["up"]).run(), 0, &[]);
    stage.cql("alter table base with gc_grace_seconds = 1");
    stage.project.write(
        "migrations/core/004_four/up.cql",
        "INSERT INTO base (id, n) VALUES (7, 7);\n",
    );
    stage.killed_in_flight("INSERT INTO base");
    // By the server's clock, which the run goes by.
    let clock = || -> i64 {
        let now = stage.cql("select tounixtimestamp(now()) from system.local");
        now.parse().expect("milliseconds")
    };
    let began = clock();
    let since = Instant::now();
    while clock() < began + 1_000 {
        assert!(since.elapsed() < PATIENCE, "the clock stands still");
    }
    let told = [
        "longer than gc_grace_seconds of base",
        "004_four",
        "nothing more was run",
        "kmig:done-when",
    ];
    expect("up", stage.kmig(&["up"]).run(), 1, &told);
    assert_eq!(stage.cql("select id from base"), "", "it was sent again");
}
