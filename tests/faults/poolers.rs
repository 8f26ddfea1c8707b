//! A real PgBouncer between kmig and the server, in each of its modes (fault matrix, row 14; traps P14): where it gives each
//! transaction another server session, what needs the lock is refused before anything is left in those sessions; what only
//! looks works through any.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::case::{Case, EMPTY, Hold, expect, until};
use crate::support::kmig::{Kmig, Output, words};
use crate::support::pgbouncer::PgBouncer;

/// What stays in a server session that the application gets next.
const SETTINGS: &str = "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where source = 'session' \
     and name not in ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')";

const LOCKS: &str = "select count(*) from pg_locks where locktype = 'advisory' \
     and database = (select oid from pg_database where datname = current_database())";

/// A case with a pooler in front of its server.
struct Pooled {
    case: Case,
    pooler: PgBouncer,
}

impl Pooled {
    fn new(mode: &str, lines: &[&str]) -> Self {
        let case = Case::new(&[
            EMPTY,
            (
                "migrations/core/001_a/up.sql",
                "create table a (n bigint);\ninsert into a values (1);",
            ),
        ]);
        let pooler = PgBouncer::start(case.server, mode, lines);
        Self { case, pooler }
    }

    fn kmig(&self, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        let url = self.pooler.url(&self.case.database);
        self.case.project.kmig(words).env("KMIG_URL", url)
    }

    #[track_caller]
    fn says(&self, line: &str, code: i32, texts: &[&str]) -> Output {
        expect(line, self.kmig(line).run(), code, texts)
    }

    /// What the next client of the pooler finds in its session.
    fn sql(&self, sql: &str) -> String {
        let output = std::process::Command::new(self.case.server.program("psql"))
            .args(["-X", "-A", "-t", "-c", sql, "-d"])
            .arg(self.pooler.url(&self.case.database))
            .output()
            .expect("start psql");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Nothing of kmig is to be found in the database, nor in the sessions that the pooler keeps.
    #[track_caller]
    fn untouched(&self) {
        for _ in 0..4 {
            assert_eq!(self.sql(SETTINGS), "");
        }
        assert_eq!(self.case.sql(LOCKS), "0");
        assert_eq!(
            self.case
                .sql("select to_regclass('public.schema_meta') is null"),
            "t"
        );
    }

    /// Clients that keep the pool busy with short transactions, until it is dropped.
    fn traffic(&self, clients: usize) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let url = self.pooler.url(&self.case.database);
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.expect("a runtime").block_on(async {
                    let one = async || {
                        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
                        let (client, connection) = connected.expect("connect through the pooler");
                        tokio::spawn(connection);
                        while !stop.load(Ordering::Relaxed) {
                            client
                                .simple_query("select 1")
                                .await
                                .expect("a query of the traffic");
                        }
                    };
                    let all: Vec<_> = (0..clients).map(|_| one()).collect();
                    futures_util::future::join_all(all).await;
                });
            }
        });
        Traffic {
            stop,
            thread: Some(thread),
        }
    }
}

struct Traffic {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Configurations of a pooler that shares its sessions.
const SHARING: [(&str, &[&str]); 5] = [
    ("transaction", &[]),
    ("transaction", &["default_pool_size = 1"]),
    (
        "transaction",
        &["server_round_robin = 1", "min_pool_size = 3"],
    ),
    ("statement", &[]),
    (
        "statement",
        &["server_reset_query =", "default_pool_size = 2"],
    ),
];

#[test]
fn a_pooler_that_shares_its_sessions_is_refused_and_nothing_is_left_in_them() {
    if !PgBouncer::available() {
        return;
    }
    for (mode, lines) in SHARING {
        let pooled = Pooled::new(mode, lines);
        let output = pooled.says("kmig bootstrap", 7, &["pooler", "session mode"]);
        assert!(
            output.stderr.contains("nothing was run"),
            "{mode} {lines:?}: {output}"
        );
        pooled.untouched();
        pooled.case.run("kmig bootstrap", 0);
        pooled
            .case
            .project
            .write("migrations/core/002_b/up.sql", "create table b ();");
        pooled.says("kmig up", 7, &["pooler"]);
        pooled.case.run("kmig up", 0);
        // Nothing to do: no lock is needed.
        pooled.says("kmig up", 0, &["Nothing new"]);
        pooled
            .case
            .project
            .write("migrations/core/001_a/up.sql", "create table a ();");
        pooled.says("kmig accept core/001 --reason test", 7, &["pooler"]);
    }
}

#[test]
fn a_pooler_that_shares_its_sessions_is_refused_while_others_use_it() {
    if !PgBouncer::available() {
        return;
    }
    for (lines, clients) in [
        (&["default_pool_size = 1"][..], 3),
        (&["default_pool_size = 3"], 6),
        (&["default_pool_size = 8"], 6),
    ] {
        let pooled = Pooled::new("transaction", lines);
        let traffic = pooled.traffic(clients);
        for _ in 0..3 {
            pooled.says("kmig bootstrap", 7, &["pooler"]);
        }
        drop(traffic);
        pooled.untouched();
    }
}

#[test]
fn what_only_looks_works_through_any_pooler() {
    if !PgBouncer::available() {
        return;
    }
    for (mode, lines) in SHARING.into_iter().chain([("session", &[][..])]) {
        let pooled = Pooled::new(mode, lines);
        let limit = format!(
            "alter database \"{}\" set statement_timeout = '60s'",
            pooled.case.database
        );
        pooled.case.sql(&limit);
        pooled.says("kmig status --exit-code", 3, &["bootstrap"]);
        pooled.says("kmig list", 0, &["core/001_a"]);
        pooled.says("kmig plan bootstrap", 0, &["create table a"]);
        pooled.says("kmig bootstrap --dry-run", 0, &["create table a"]);
        pooled.says("kmig check --db", 0, &[]);
        pooled.says("kmig wait --for up --timeout 1ms", 3, &[]);
        pooled.says("kmig lock show", 0, &["Nobody holds the lock"]);
        assert_eq!(pooled.sql("show statement_timeout"), "1min", "{mode}");
        pooled.untouched();
    }
}

/// A statement_timeout that ends about every query: kmig gets through all the same, and leaves it as it was.
#[test]
fn a_hasty_role_behind_a_pooler_can_look_and_is_left_as_it_was() {
    if !PgBouncer::available() {
        return;
    }
    let pooled = Pooled::new("transaction", &["default_pool_size = 1"]);
    pooled.case.run("kmig bootstrap", 0);
    let limit = format!(
        "alter database \"{}\" set statement_timeout = '200ms'",
        pooled.case.database
    );
    pooled.case.sql(&limit);
    // Reading takes longer than that, and is tried again without a limit.
    let unhurried = "set local statement_timeout = 0; lock table schema_meta";
    let mut brake = Hold::new(&pooled.case, unhurried);
    let status = pooled.kmig("kmig status --exit-code").start();
    until(
        &pooled.case,
        "set statement_timeout = 0; select exists (select from pg_stat_activity \
         where wait_event_type = 'Lock' and query like 'BEGIN READ ONLY%' and datname = current_database())",
    );
    brake.end();
    expect("status", status.wait(), 0, &["core/001_a"]);
    assert_eq!(
        pooled
            .sql("set statement_timeout to default; show statement_timeout")
            .lines()
            .last(),
        Some("200ms")
    );
}

#[test]
fn everything_works_through_a_pooler_in_session_mode() {
    if !PgBouncer::available() {
        return;
    }
    let settings: [&[&str]; 3] = [
        &[],
        &["default_pool_size = 1"],
        &["default_pool_size = 2", "server_reset_query ="],
    ];
    for lines in settings {
        let pooled = Pooled::new("session", lines);
        let case = &pooled.case;
        pooled.says("kmig bootstrap", 0, &["Bootstrapped 1 migration"]);
        case.project.write(
            "migrations/core/002_b/up.sql",
            "alter table a add m bigint;\ncreate index concurrently a_m on a (m);",
        );
        case.project.write(
            "migrations/core/002_b/backfill.sql",
            "update a set m = n where m is null;",
        );
        case.project
            .write("migrations/core/002_b/finish.sql", "alter table a drop n;");
        pooled.says("kmig up", 0, &["Expanded 1 migration"]);
        pooled.says(
            "kmig finish --assume-gone --reason test --yes",
            0,
            &["Finished 1 migration"],
        );
        pooled.says("kmig status --exit-code", 0, &["everything is executed"]);
        assert_eq!(case.sql("select m from a"), "1");
        // The next clients of the pool find sessions like new, and nobody has the lock.
        for _ in 0..4 {
            assert_eq!(pooled.sql(SETTINGS), "", "{lines:?}");
        }
        assert_eq!(case.sql(LOCKS), "0", "{lines:?}");
    }
}

#[test]
fn the_lock_excludes_through_a_session_pool_and_beside_it() {
    if !PgBouncer::available() {
        return;
    }
    let pooled = Pooled::new("session", &["server_reset_query ="]);
    let case = &pooled.case;
    case.run("kmig bootstrap", 0);
    case.project.write(
        "migrations/core/002_b/up.sql",
        "-- kmig:allow denied-call because the test holds it there\ninsert into a select 2 from pg_advisory_xact_lock(4711);",
    );
    let mut brake = Hold::new(case, "select pg_advisory_xact_lock(4711)");
    let waits = "select exists (select from pg_stat_activity where wait_event = 'advisory' and datname = current_database())";
    for through in [true, false] {
        let start = |pool: bool| {
            if pool {
                pooled.kmig("kmig up")
            } else {
                case.kmig("kmig up")
            }
        };
        let first = start(through).start();
        until(case, waits);
        let late = |pool: bool| {
            let line = "kmig up --lock-wait 100ms";
            if pool {
                pooled.kmig(line)
            } else {
                case.kmig(line)
            }
        };
        for pool in [true, false] {
            expect(
                "the second",
                late(pool).run(),
                6,
                &["another executor holds the lock"],
            );
        }
        if through {
            first.signal("TERM");
            assert_eq!(first.wait().code, 143);
        } else {
            brake.end();
            assert_eq!(first.wait().code, 0);
        }
    }
    assert_eq!(
        case.sql("select string_agg(n::text, ' ' order by n) from a"),
        "1 2"
    );
    assert_eq!(pooled.sql(SETTINGS), "");
}

/// What is killed behind a pooler leaves a server session with the lock; the next executor is not kept out for ever.
#[test]
fn a_run_that_is_killed_behind_a_session_pool_is_continued() {
    if !PgBouncer::available() {
        return;
    }
    let pooled = Pooled::new("session", &["server_reset_query ="]);
    let case = &pooled.case;
    case.run("kmig bootstrap", 0);
    case.project.write(
        "migrations/core/002_b/up.sql",
        "-- kmig:allow denied-call because the test holds it there\ninsert into a select 2 from pg_advisory_xact_lock(4711);",
    );
    let mut brake = Hold::new(case, "select pg_advisory_xact_lock(4711)");
    let first = pooled.kmig("kmig up").start();
    until(
        case,
        "select exists (select from pg_stat_activity where wait_event = 'advisory' and datname = current_database())",
    );
    let killed = format!(".{}.", first.pid());
    let named = format!(
        "select bool_or(strpos(application_name, '{killed}') > 0) from pg_stat_activity where datname = current_database()"
    );
    assert_eq!(case.sql(&named), "t", "the server's session has its name");
    first.kill();
    let second = pooled.kmig("kmig up --lock-wait 30s").start();
    // It waits for the brake in its turn, once the first is gone.
    until(
        case,
        &format!(
            "select count(*) = 1 and bool_and(strpos(application_name, '{killed}') = 0) from pg_stat_activity \
             where wait_event = 'advisory' and datname = current_database()"
        ),
    );
    brake.end();
    let output = second.wait();
    expect("the second", output, 0, &["Expanded 1 migration"]);
    assert_eq!(
        case.sql("select string_agg(n::text, ' ' order by n) from a"),
        "1 2"
    );
}
