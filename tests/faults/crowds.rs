//! Any number of executors at once: the work is done once, by one of them after the other, and each exits by what it
//! finds (fault matrix, rows 11 to 13).
//!
//! A test with DDL only would hide a lock that does not exclude, since the second `CREATE TABLE` fails: the migrations
//! here insert rows into a table without any key. `KMIG_ROUNDS` runs more than the usual few rounds.

use std::path::Path;

use crate::support::case::{EMPTY, Hold};
use crate::support::kmig::{Kmig, Output, Project, Running, project};
use crate::support::server::{Server, ServerOptions};

const EXECUTORS: usize = 50;

const BOOTSTRAP: &[&str] = &["bootstrap"];
const UP: &[&str] = &["up"];
const UP_ANYWHERE: &[&str] = &["up", "--bootstrap"];
const FINISH: &[&str] = &["finish", "--assume-gone", "--reason", "test", "--yes"];

/// What stands in the table without a key, once everything was done once.
const TALLY_ONE: &str = "002 up";
const TALLY_UP: &str = "002 up\n003 up\n004 up";
const TALLY_FINISHED: &str = "002 up\n003 finish\n003 up\n004 finish\n004 up";

#[test]
fn fifty_bootstrap_a_fresh_database_once() {
    let Some(crowd) = Crowd::gather() else { return };
    for _ in 0..rounds() {
        let database = crowd.server.database();
        crowd.all(&crowd.old, &database, &[BOOTSTRAP]);
        crowd.proved(&database, TALLY_ONE, &crowd.old, 0);
        crowd.all(&crowd.new, &database, &[UP_ANYWHERE]);
        crowd.proved(&database, TALLY_UP, &crowd.new, 4);
    }
}

#[test]
fn fifty_expand_an_old_database_once_and_fifty_contract_it_once() {
    let Some(crowd) = Crowd::gather() else { return };
    let old = crowd.bootstrapped();
    for _ in 0..rounds() {
        let database = crowd.server.copy(&old);
        crowd.all(&crowd.new, &database, &[UP]);
        crowd.proved(&database, TALLY_UP, &crowd.new, 4);
        crowd.all(&crowd.new, &database, &[FINISH]);
        crowd.proved(&database, TALLY_FINISHED, &crowd.new, 0);
        // On a current database there is nothing to do for any of them.
        crowd.all(&crowd.new, &database, &[UP, FINISH, UP_ANYWHERE]);
        crowd.proved(&database, TALLY_FINISHED, &crowd.new, 0);
    }
}

#[test]
fn fifty_with_every_command_on_a_fresh_database() {
    let Some(crowd) = Crowd::gather() else { return };
    for _ in 0..rounds() {
        let database = crowd.server.database();
        let outputs = crowd.at_once(&crowd.new, &database, &[UP_ANYWHERE, FINISH]);
        for (args, output) in outputs {
            // A finish that looked before anybody had begun says that a bootstrap is due.
            let allowed: &[i32] = if args == FINISH { &[0, 3] } else { &[0] };
            assert!(allowed.contains(&output.code), "{args:?}: {output}");
        }
        crowd.proved(&database, TALLY_FINISHED, &crowd.new, 0);
    }
}

#[test]
fn fifty_with_every_command_on_an_old_database() {
    let Some(crowd) = Crowd::gather() else { return };
    let old = crowd.bootstrapped();
    for _ in 0..rounds() {
        let database = crowd.server.copy(&old);
        crowd.all(&crowd.new, &database, &[UP_ANYWHERE, FINISH]);
        crowd.all(&crowd.new, &database, &[FINISH]);
        crowd.proved(&database, TALLY_FINISHED, &crowd.new, 0);
    }
}

#[test]
fn fifty_wait_for_a_concurrent_build_and_do_not_deadlock_with_it() {
    let Some(crowd) = Crowd::gather() else { return };
    let database = crowd.server.copy(&crowd.bootstrapped());
    // The build waits for this snapshot, and everybody else for the executor that builds.
    let mut snapshot = crowd.hold(&database, "lock table things in row exclusive mode");
    let builder = crowd.start(&crowd.new, &database, UP);
    crowd.await_build(&database);
    let waiting = crowd.start_all(&crowd.new, &database, &[UP]);
    crowd.await_waiting(&database);
    snapshot.end();
    for output in std::iter::once(builder).chain(waiting).map(Running::wait) {
        assert_eq!(output.code, 0, "{output}");
    }
    crowd.proved(&database, TALLY_UP, &crowd.new, 4);
}

#[test]
fn a_suspended_executor_keeps_its_lock_and_goes_on() {
    let Some(crowd) = Crowd::gather() else { return };
    let database = crowd.server.copy(&crowd.bootstrapped());
    let mut snapshot = crowd.hold(&database, "lock table things in row exclusive mode");
    let builder = crowd.start(&crowd.new, &database, UP);
    crowd.await_build(&database);
    builder.signal("STOP");
    snapshot.end();
    // Its build ends on the server, which nobody reads the answer of.
    crowd.server.await_rows(
        &database,
        "select indisvalid from pg_index where indexrelid = to_regclass('things_name')",
        "t",
    );
    let impatient = crowd
        .kmig(&crowd.new, &database, UP)
        .args(["--lock-wait", "0s"])
        .run();
    assert_eq!(impatient.code, 6, "{impatient}");
    let waiting = crowd.start_all(&crowd.new, &database, &[UP]);
    crowd.await_waiting(&database);
    assert_eq!(
        crowd.tally(&database),
        "002 up\n003 up",
        "nobody may go on for it"
    );
    builder.signal("CONT");
    for output in std::iter::once(builder).chain(waiting).map(Running::wait) {
        assert_eq!(output.code, 0, "{output}");
    }
    crowd.proved(&database, TALLY_UP, &crowd.new, 4);
}

#[test]
fn executors_are_killed_one_after_the_other_while_they_hold_the_lock() {
    let Some(crowd) = Crowd::gather() else { return };
    let old = crowd.bootstrapped();
    for _ in 0..rounds() {
        let database = crowd.server.copy(&old);
        let mut members = crowd.start_all(&crowd.new, &database, &[UP]);
        let mut killed = 0;
        while killed < 5 {
            match crowd.holder(&database, &members) {
                Some(at) => {
                    drop(members.swap_remove(at).kill());
                    killed += 1;
                }
                None if members.iter_mut().all(Running::has_ended) => break,
                None => {}
            }
        }
        for output in members.into_iter().map(Running::wait) {
            assert_eq!(output.code, 0, "{output}");
        }
        crowd.proved(&database, TALLY_UP, &crowd.new, 4);
    }
}

/// Rounds of each test.
fn rounds() -> usize {
    std::env::var("KMIG_ROUNDS").map_or(2, |rounds| rounds.parse().expect("KMIG_ROUNDS: a number"))
}

/// A server with room for a crowd, the files of both versions, and the schemas that one executor alone makes.
struct Crowd {
    server: Server,
    old: Project,
    new: Project,
}

impl Crowd {
    fn gather() -> Option<Self> {
        if !Server::available() {
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/crowd");
        let (old, new) = (project(&[EMPTY]), project(&[EMPTY]));
        for (project, folder) in [(&old, "."), (&new, "."), (&new, "v2")] {
            for name in ["migrations", "kmig.toml"] {
                project.copy(&root.join(folder).join(name), name);
            }
        }
        let conf = vec!["max_connections = 250".to_owned()];
        let server = Server::start(&ServerOptions {
            conf,
            ..ServerOptions::default()
        });
        Some(Crowd { server, old, new })
    }

    fn kmig(&self, project: &Project, database: &str, args: &[&str]) -> Kmig {
        project
            .kmig(args)
            .env("KMIG_URL", self.server.url(database))
    }

    fn start(&self, project: &Project, database: &str, args: &[&str]) -> Running {
        self.kmig(project, database, args)
            .args(["--lock-wait", "5min"])
            .start()
    }

    /// Starts the crowd, the commands in turn.
    fn start_all(&self, project: &Project, database: &str, commands: &[&[&str]]) -> Vec<Running> {
        let turns = commands.iter().cycle().take(EXECUTORS);
        turns
            .map(|args| self.start(project, database, args))
            .collect()
    }

    /// Runs the crowd to its end.
    fn at_once<'a>(
        &self,
        project: &Project,
        database: &str,
        commands: &[&'a [&'a str]],
    ) -> Vec<(&'a [&'a str], Output)> {
        let running = self.start_all(project, database, commands);
        let turns = commands.iter().cycle().copied();
        turns.zip(running.into_iter().map(Running::wait)).collect()
    }

    /// Runs the crowd to its end; each member must exit 0.
    fn all(&self, project: &Project, database: &str, commands: &[&[&str]]) {
        for (args, output) in self.at_once(project, database, commands) {
            assert_eq!(output.code, 0, "{args:?}: {output}");
        }
    }

    /// A database that one executor has bootstrapped with the old files.
    fn bootstrapped(&self) -> String {
        let database = self.server.database();
        let output = self.kmig(&self.old, &database, BOOTSTRAP).run();
        assert_eq!(output.code, 0, "{output}");
        database
    }

    fn hold(&self, database: &str, sql: &str) -> Hold {
        Hold::on(&self.server, database, sql)
    }

    fn tally(&self, database: &str) -> String {
        self.server
            .psql(database, "select who from tally order by who collate \"C\"")
    }

    /// Waits until the server builds the first index, and waits for somebody in that.
    fn await_build(&self, database: &str) {
        let building = "select count(*) from pg_stat_progress_create_index p \
                        join pg_stat_activity a using (pid) where a.wait_event_type = 'Lock'";
        self.server.await_rows(database, building, "1");
    }

    /// Waits until many executors are connected beside the one that works.
    fn await_waiting(&self, database: &str) {
        let connected = "select count(*) > 40 from pg_stat_activity \
                         where datname = current_database() and application_name like 'kmig/%'";
        self.server.await_rows(database, connected, "t");
    }

    /// Which of them holds the executor's lock, by the process id that it announces itself with.
    fn holder(&self, database: &str, members: &[Running]) -> Option<usize> {
        let sql = "select a.application_name from pg_locks l join pg_stat_activity a using (pid) \
                   where l.locktype = 'advisory' and l.granted and l.database = \
                   (select oid from pg_database where datname = current_database()) \
                   and a.application_name like 'kmig/%' limit 1";
        let name = self.server.psql(database, sql);
        let mut words = name.split([' ', '.']);
        words.find_map(|word| {
            let pid: u32 = word.parse().ok()?;
            members.iter().position(|member| member.pid() == pid)
        })
    }

    /// Everything was done once: the rows, each step's record, the schema; and nobody is left.
    fn proved(&self, database: &str, tally: &str, project: &Project, due: i32) {
        assert_eq!(self.tally(database), tally);
        let twice = "select subsystem, number, part, first_statement from schema_meta_journal \
                     where kind = 'step' group by 1, 2, 3, 4 having count(*) > 1";
        assert_eq!(self.server.psql(database, twice), "", "recorded twice");
        let invalid = "select indexrelid::regclass from pg_index where not indisvalid";
        assert_eq!(self.server.psql(database, invalid), "", "INVALID");
        let left = "select count(*) from pg_stat_activity \
                    where datname = current_database() and application_name like 'kmig/%'";
        self.server.await_rows(database, left, "0");
        let status = self
            .kmig(project, database, &["status", "--exit-code"])
            .run();
        assert_eq!(status.code, due, "{status}");
        assert_eq!(self.server.schema(database), self.alone(tally));
    }

    /// The schema that one executor alone makes, run as far as the rows tell.
    fn alone(&self, tally: &str) -> String {
        let database = self.bootstrapped();
        let commands: &[&[&str]] = match tally {
            TALLY_ONE => &[],
            TALLY_UP => &[UP],
            _ => &[UP, FINISH],
        };
        for args in commands {
            let output = self.kmig(&self.new, &database, args).run();
            assert_eq!(output.code, 0, "{args:?}: {output}");
        }
        self.server.schema(&database)
    }
}
