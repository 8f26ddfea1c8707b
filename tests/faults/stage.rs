//! What the tests about lost connections and signals share: an upgrade that stands still in the middle of a statement.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use crate::support::kmig::{Kmig, Output, Project, Running, project};
use crate::support::server::Server;

/// An upgrade of four migrations: one only inserts, the next waits in its statement for whoever holds the gate, then
/// come a transaction and a statement outside transactions.
pub struct Stage<'a> {
    pub server: &'a Server,
    pub database: String,
    pub project: Project,
}

impl<'a> Stage<'a> {
    /// On a fresh database that has its first migration.
    pub fn new(server: &'a Server) -> Self {
        let stage = Stage {
            server,
            database: server.database(),
            project: project(&[
                ("kmig.toml", ""),
                (
                    "migrations/core/001_base/up.sql",
                    "create table log (n int); create table t (a int);",
                ),
            ]),
        };
        expect(stage.kmig(&["bootstrap"]).run(), 0, &[]);
        for (name, sql) in [
            ("002_insert", "insert into log values (2);"),
            (
                "003_gate",
                "-- kmig:allow denied-call because the test holds it there\nselect pg_advisory_xact_lock(42); insert into log values (3);",
            ),
            ("004_more", "create table u (); insert into log values (4);"),
            ("005_index", "create index concurrently t_a on t (a);"),
        ] {
            let path = format!("migrations/core/{name}/up.sql");
            stage.project.write(&path, sql);
        }
        stage
    }

    /// A command of kmig on the database itself.
    pub fn kmig(&self, args: &[&str]) -> Kmig {
        let url = self.server.url(&self.database);
        self.project.kmig(args).env("KMIG_URL", url)
    }

    /// Runs SQL as the superuser.
    pub fn sql(&self, sql: &str) -> String {
        self.server.psql(&self.database, sql)
    }

    /// Waits until some SQL answers `t`.
    pub fn until(&self, sql: &str) {
        self.server.await_rows(&self.database, sql, "t");
    }

    /// Holds the gate.
    pub fn gate(&self) -> Gate {
        let mut child = self
            .server
            .psql_command(&self.database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start psql");
        let stdin = child.stdin.as_mut().expect("psql's input");
        writeln!(
            stdin,
            "select pg_advisory_lock(42) is null, pg_backend_pid();"
        )
        .expect("write to psql");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("psql's output"))
            .read_line(&mut line)
            .expect("read from psql");
        let pid = line.trim().rsplit('|').next().expect("two columns");
        Gate {
            pid: pid.to_owned(),
            child,
        }
    }

    /// Starts an `up`, and returns once it waits at the gate.
    pub fn up_to_the_gate(&self, command: Kmig) -> Running {
        let running = command.start();
        self.until(
            "select exists (select from pg_stat_activity where datname = current_database() \
             and application_name like 'kmig%' and wait_event = 'advisory')",
        );
        running
    }

    /// The upgrade is done: each effect and each record is there once, and nobody is left over.
    #[track_caller]
    pub fn assert_done_once(&self) {
        assert_eq!(self.sql("select n from log order by n"), "2\n3\n4");
        let steps = "select number, count(*) from schema_meta_journal where kind = 'step' group by 1 order by 1";
        assert_eq!(self.sql(steps), "1|1\n2|1\n3|1\n4|1\n5|1");
        // A run that went on with another session did not begin its batch again.
        let batches =
            "select count(*) - count(distinct run) from schema_meta_journal where kind = 'batch'";
        assert_eq!(self.sql(batches), "0");
        assert_eq!(self.sql("select indisvalid from pg_index"), self.valid());
        self.until(
            "select count(*) = 0 from pg_stat_activity where datname = current_database() and application_name like 'kmig%'",
        );
        expect(self.kmig(&["up"]).run(), 0, &["Nothing new."]);
    }

    /// As many `t` as there are indexes.
    fn valid(&self) -> String {
        let count: usize = self
            .sql("select count(*) from pg_index")
            .parse()
            .expect("a number");
        vec!["t"; count].join("\n")
    }
}

/// Whoever holds the gate.
pub struct Gate {
    /// Its server process.
    pub pid: String,
    child: Child,
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Judges a run: its code, what it says on either stream, and that it did not panic.
#[track_caller]
pub fn expect(output: Output, code: i32, texts: &[&str]) -> Output {
    crate::support::case::expect("kmig", output, code, texts)
}

/// Sends a signal to a process.
pub fn kill(signal: &str, pid: &str) {
    let status = std::process::Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, pid])
        .status()
        .expect("send a signal");
    assert!(status.success(), "kill -s {signal} {pid} failed");
}
