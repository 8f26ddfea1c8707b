//! Promise 2, inside a statement: one that waits for a lock is ended there, the same command is run again, and it comes
//! to what an undisturbed run comes to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::every_kind::assert_nothing_left;
use crate::support::fingerprint::{difference, fingerprint};
use crate::support::kmig::{Output, Project, Running, project};
use crate::support::server::{Server, ServerOptions};

/// How long the server may take to notice that a client is gone, or kmig to come to its statement.
const PATIENCE: Duration = Duration::from_secs(30);

/// A statement, and a session that holds it up.
struct Case {
    name: &'static str,
    /// What is in the database before.
    setup: &'static str,
    /// The part that holds the statement: `up` or `backfill`.
    part: &'static str,
    sql: &'static str,
    /// What the session in the way does first; it is rolled back in the end.
    in_the_way: &'static str,
}

const TABLE: &str = "create table t (id int primary key, a int, b text);\n\
                     insert into t select n, n, n from generate_series(1, 50) n;";
const WRITER: &str = "begin; update t set a = a where id = 1; select 'there';";
const READER: &str = "begin isolation level repeatable read; select 'there' from t limit 1;";
const WORKER: &str = "begin; lock table t in share update exclusive mode; select 'there';";
const PARTITIONED: &str = "create table t (id int, a int) partition by range (id);\n\
                           create table t1 partition of t for values from (1) to (10);\n\
                           create table t2 partition of t for values from (10) to (20);\n\
                           insert into t select n from generate_series(1, 19) n;";

const CASES: &[Case] = &[
    Case {
        name: "plain statements in one string",
        setup: TABLE,
        part: "up",
        sql: "create table a (id int); alter table t add column c int; create table c (id int);",
        in_the_way: READER,
    },
    Case {
        name: "create index concurrently",
        setup: TABLE,
        part: "up",
        sql: "create index concurrently i on t (a); create index concurrently if not exists j on t (a, b);",
        in_the_way: READER,
    },
    Case {
        name: "create unique index concurrently",
        setup: TABLE,
        part: "up",
        sql: "set search_path to public; create unique index concurrently i on t (a);",
        in_the_way: READER,
    },
    Case {
        name: "drop index concurrently",
        setup: "create table t (id int, a int); create index i on t (a); insert into t values (1, 1);",
        part: "up",
        sql: "drop index concurrently i;",
        in_the_way: WRITER,
    },
    Case {
        // What was there before stays, whatever it is called; what the REINDEX itself made goes.
        name: "reindex index concurrently",
        setup: "create table t (id int, a int); insert into t values (1, 1); create index i on t (a);\n\
                create index i_ccnew on t (id); update pg_index set indisvalid = false where indexrelid = 'i_ccnew'::regclass;",
        part: "up",
        sql: "reindex index concurrently i;",
        in_the_way: READER,
    },
    Case {
        name: "reindex table concurrently, its TOAST table too",
        setup: TABLE,
        part: "up",
        sql: "create index concurrently i on t (b); reindex table concurrently t;",
        in_the_way: WRITER,
    },
    Case {
        name: "reindex of a partitioned table",
        setup: "create table t (id int primary key, a int) partition by range (id);\n\
                create table t1 partition of t for values from (1) to (10);\n\
                create table t2 partition of t for values from (10) to (20);\n\
                insert into t select n from generate_series(1, 19) n;",
        part: "up",
        sql: "reindex (concurrently) table t;",
        in_the_way: READER,
    },
    Case {
        name: "detach concurrently",
        setup: PARTITIONED,
        part: "up",
        sql: "alter table t detach partition t1 concurrently; drop table t1;",
        in_the_way: READER,
    },
    Case {
        name: "vacuum",
        setup: TABLE,
        part: "up",
        sql: "vacuum (analyze) t; insert into t values (1000);",
        in_the_way: WORKER,
    },
    Case {
        name: "validate",
        setup: "create table t (id int, a int); insert into t values (1, 1);\n\
                alter table t add constraint a_set check (a is not null) not valid;",
        part: "up",
        sql: "alter table t validate constraint a_set;",
        in_the_way: WORKER,
    },
    Case {
        name: "refresh concurrently",
        setup: "create table t (id int); insert into t values (1); create materialized view m as select id from t;\n\
                create unique index on m (id); insert into t values (2);",
        part: "up",
        sql: "refresh materialized view concurrently m;",
        in_the_way: "begin; lock table t; select 'there';",
    },
    Case {
        name: "add value",
        setup: "create type mood as enum ('sad'); create table t (mood mood);",
        part: "up",
        sql: "alter type mood add value 'glad'; insert into t values ('glad');",
        in_the_way: "begin; alter type mood add value 'odd'; select 'there';",
    },
    Case {
        name: "a backfill in several statements",
        setup: TABLE,
        part: "backfill",
        sql: "insert into t (id) values (2000); update t set b = 'x' where id = 2; update t set b = 'y' where id = 1; insert into t (id) values (2001);",
        in_the_way: WRITER,
    },
    Case {
        name: "copy",
        setup: "create table t (id int primary key); create table log (line text);",
        part: "up",
        sql: "insert into log values ('once');\ncopy t from stdin;\n7\n8\n\\.\ncopy log from stdin;\ntwice\n\\.\n",
        in_the_way: "begin; insert into t values (8); select 'there';",
    },
    Case {
        name: "a deferred constraint",
        setup: "create table u (id int primary key); create table t (id int, u int references u deferrable initially deferred);\n\
                insert into u values (1);",
        part: "up",
        sql: "insert into t values (1, 1); create table after_it (id int);",
        in_the_way: "begin; delete from u; select 'there';",
    },
    Case {
        // Said twice it fails, and kmig cannot see into it.
        name: "what only done-when can tell",
        setup: "create subscription every_other connection 'host=nowhere.invalid' publication one\n\
                with (connect = false, slot_name = none, enabled = false, create_slot = false);",
        part: "up",
        sql: "-- kmig:done-when select 'two' = any (subpublications) from pg_subscription s, pg_database d where d.oid = subdbid and datname = current_database()\n\
              alter subscription every_other add publication two with (refresh = false);",
        in_the_way: "begin; alter subscription every_other set (binary = true); select 'there';",
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// kmig gets `kill -9`; the next one starts while the server still works for the dead one.
    Killed,
    /// An administrator ends the session.
    Terminated,
    /// An administrator ends the statement.
    Cancelled,
    /// The server crashes and comes back.
    ServerCrashed,
    /// Nothing ends: what is in the way goes once the statement has made way for it.
    MadeWay,
}

#[test]
fn killed_inside_a_statement() {
    each(End::Killed);
}

#[test]
fn a_session_terminated_inside_a_statement() {
    each(End::Terminated);
}

#[test]
fn a_statement_cancelled() {
    each(End::Cancelled);
}

#[test]
fn a_server_that_crashes_inside_a_statement() {
    each(End::ServerCrashed);
}

#[test]
fn a_statement_that_makes_way() {
    each(End::MadeWay);
}

fn each(end: End) {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    // A server that crashes takes all trials with it. The others mostly wait, and do so together.
    let together = if end == End::ServerCrashed { 1 } else { 4 };
    let server = &server;
    std::thread::scope(|scope| {
        for cases in CASES.chunks(CASES.len().div_ceil(together)) {
            scope.spawn(move || {
                for case in cases {
                    let trial = Trial::new(server, case);
                    let undisturbed = trial.undisturbed();
                    trial.end_in_it(end, &undisturbed);
                }
            });
        }
    });
}

/// One case on one server.
struct Trial<'a> {
    server: &'a Server,
    project: Project,
    case: &'a Case,
}

impl<'a> Trial<'a> {
    fn new(server: &'a Server, case: &'a Case) -> Self {
        let part = format!("migrations/core/001_case/{}.sql", case.part);
        let project = project(&[("kmig.toml", ""), (&part, case.sql)]);
        Self {
            server,
            project,
            case,
        }
    }

    fn database(&self) -> String {
        let database = self.server.database();
        self.server.psql(&database, self.case.setup);
        database
    }

    fn start(&self, database: &str) -> Running {
        self.project
            .kmig(["bootstrap", "--lock-wait", "60s"])
            .env("KMIG_URL", self.server.url(database))
            .start()
    }

    fn undisturbed(&self) -> Vec<String> {
        let database = self.database();
        let output = self.start(&database).wait();
        assert_eq!(output.code, 0, "{}: {output}", self.case.name);
        let found = fingerprint(self.server, &database);
        self.drop(&database);
        found
    }

    fn end_in_it(&self, end: End, undisturbed: &[String]) {
        let title = format!("{}, {end:?}", self.case.name);
        let database = self.database();
        let broken_before = self.broken_indexes(&database);
        let in_the_way = Session::open(self.server, &database, self.case.in_the_way);
        let mut running = self.start(&database);
        let pid = self.await_rows(
            &database,
            "select pid from pg_stat_activity where datname = current_database() and application_name ~ 'kmig' \
             and wait_event_type = 'Lock' limit 1",
            |rows| !rows.is_empty(),
            &title,
        );
        let do_to = |function: &str| {
            self.server
                .psql(&database, &format!("select {function}({pid})"));
        };
        match end {
            End::Killed => {
                running.kill();
                let next = self.start(&database);
                let sql = format!("select pid from pg_stat_activity where pid = {pid}");
                self.await_rows(&database, &sql, str::is_empty, &title);
                in_the_way.end();
                let output = next.wait();
                assert_eq!(output.code, 0, "{title}: {output}");
            }
            End::Terminated => {
                do_to("pg_terminate_backend");
                in_the_way.end();
                self.again(&database, running.wait(), &title);
            }
            End::Cancelled => {
                do_to("pg_cancel_backend");
                in_the_way.end();
                let output = running.wait();
                // An index that is half dropped is still to be dropped.
                if !self.case.sql.starts_with("drop index") {
                    let broken = self.broken_indexes(&database);
                    assert_eq!(broken, broken_before, "{title}: {output}");
                }
                self.again(&database, output, &title);
            }
            End::MadeWay => {
                if !self.waits_without_a_timeout() {
                    running.await_line("trying again");
                }
                in_the_way.end();
                let output = running.wait();
                assert_eq!(output.code, 0, "{title}: {output}");
            }
            End::ServerCrashed => {
                self.server.stop_immediate();
                self.server.start_again();
                in_the_way.end();
                self.again(&database, running.wait(), &title);
            }
        }
        let found = fingerprint(self.server, &database);
        if let Some(difference) = difference(undisturbed, &found) {
            panic!("{title}: {difference}");
        }
        assert_nothing_left(self.server, &database, &title);
        self.drop(&database);
    }

    /// Runs the command again after one that may have failed.
    fn again(&self, database: &str, first: Output, title: &str) {
        assert!([0, 1].contains(&first.code), "{title}: {first}");
        let output = self.start(database).wait();
        assert_eq!(output.code, 0, "{title}: {output}\nafter {first}");
    }

    /// Whether the statement waits for as long as it takes, since nobody queues behind it.
    fn waits_without_a_timeout(&self) -> bool {
        let sql = self.case.sql;
        sql.contains("validate") || sql.contains("concurrently") && sql.contains("index")
    }

    fn broken_indexes(&self, database: &str) -> String {
        let sql = "select indexrelid::regclass from pg_index where not indisvalid order by 1";
        self.server.psql(database, sql)
    }

    fn await_rows(
        &self,
        database: &str,
        sql: &str,
        enough: impl Fn(&str) -> bool,
        title: &str,
    ) -> String {
        let since = Instant::now();
        loop {
            let rows = self.server.psql(database, sql);
            if enough(&rows) {
                return rows;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{title}: waited in vain for {sql}\n{rows}"
            );
        }
    }

    fn drop(&self, database: &str) {
        self.server
            .psql(database, "drop subscription if exists every_other");
        let sql = format!("drop database \"{database}\" with (force)");
        self.server.psql("postgres", &sql);
    }
}

/// A session that stays in the way.
pub struct Session {
    child: Child,
}

impl Session {
    /// Opens it, and returns once its statements have answered `there`.
    pub fn open(server: &Server, database: &str, sql: &str) -> Self {
        let mut child = server
            .psql_command(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start psql");
        let stdin = child.stdin.as_mut().expect("psql's input");
        writeln!(stdin, "{sql}").expect("write to psql");
        let stdout = child.stdout.as_mut().expect("psql's output");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("hear psql");
        assert_eq!(line.trim(), "there", "{sql}");
        Self { child }
    }

    /// Ends it, and with it its transaction.
    pub fn end(mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
