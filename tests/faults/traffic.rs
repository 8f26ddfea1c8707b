//! Promise 4: live traffic never queues behind a waiting kmig for longer than the lock timeout plus a little (traps P7, P8).
//!
//! Four clients read and write in closed loops while DDL waits behind others; each loop keeps how long its statements took. What a
//! busy machine adds is measured in the same run, while nothing goes on, and a noisy run is done again: noise only adds to a
//! stall, and DDL that lets the traffic queue lets it queue each time.
//!
//! `cargo test --test faults traffic -- --nocapture --test-threads 1` prints the figures; `KMIG_READER=8` takes readers of eight seconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::case::{Case, EMPTY, Hold};
use crate::support::server::Server;

/// kmig's default.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// What the issue allows beside it.
const LITTLE: Duration = Duration::from_millis(50);

/// Runs at most, until one is not noisy.
const RUNS: usize = 4;

const UP: &str = "migrations/core/002_x/up.sql";
const FINISH: &str = "migrations/core/002_x/finish.sql";

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create table a (id int primary key, n int not null default 0, old int, check (n >= 0));\n\
     create table b (like a including all); create table c (like a including all); create table d (like a including all);\n\
     create table p (id int, n int) partition by range (id);\n\
     create table p1 partition of p for values from (0) to (1000); create table p2 partition of p for values from (1000) to (2000);\n\
     insert into a select g from generate_series(1, 1000) g; insert into b select * from a;\n\
     insert into c select * from a; insert into d select * from a; insert into p select id, n from a;",
);

/// One test at a time: they would be each other's noise.
static ALONE: Mutex<()> = Mutex::new(());

/// Clients that read and write until they are told to end.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Duration>>>,
}

/// How long statements of the traffic took.
#[derive(Clone, Copy, Debug)]
struct Stalls {
    worst: Duration,
    p99: Duration,
    statements: usize,
}

impl Load {
    /// Begins; each client has done a round once this returns.
    fn begin(case: &Case, tables: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, begun) = std::sync::mpsc::channel();
        let clients = (0..4)
            .map(|client| {
                let (url, stop, ready) = (
                    case.server.url(&case.database),
                    Arc::clone(&stop),
                    ready.clone(),
                );
                let statements: Vec<String> = tables
                    .iter()
                    .map(|table| match client % 2 {
                        0 => format!("select sum(n) from {table} where id between {client} and 50"),
                        _ => format!("update {table} set n = n + 1 where id = {}", 100 + client),
                    })
                    .collect();
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime");
                    runtime.block_on(traffic(&url, &statements, &stop, || {
                        let _ = ready.send(());
                    }))
                })
            })
            .collect();
        for _ in 0..4 {
            begun.recv().expect("a client has begun");
        }
        Load { stop, clients }
    }

    fn end(self) -> Stalls {
        self.stop.store(true, Ordering::Relaxed);
        let mut took: Vec<Duration> = self
            .clients
            .into_iter()
            .flat_map(|client| client.join().expect("the application sees no error"))
            .collect();
        took.sort_unstable();
        Stalls {
            worst: took[took.len() - 1],
            p99: took[took.len() * 99 / 100],
            statements: took.len(),
        }
    }
}

async fn traffic(
    url: &str,
    statements: &[String],
    stop: &AtomicBool,
    begun: impl Fn(),
) -> Vec<Duration> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("connect");
    tokio::spawn(connection);
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for statement in statements {
            let since = Instant::now();
            client
                .simple_query(statement)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            took.push(since.elapsed());
        }
        if took.len() == statements.len() {
            begun();
            took.clear(); // the first plans are no traffic
            took.push(Duration::ZERO);
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    took
}

/// Somebody who reads tables for so long, one transaction for each.
struct Readers(Vec<JoinHandle<()>>);

impl Readers {
    /// Begins; all of them hold their tables once this returns.
    fn begin(case: &Case, tables: &[(&str, Duration)]) -> Self {
        let holds: Vec<_> = tables
            .iter()
            .map(|(table, time)| {
                (
                    Hold::new(case, &format!("select from {table} limit 1")),
                    *time,
                )
            })
            .collect();
        Readers(
            holds
                .into_iter()
                .map(|(mut hold, time)| {
                    std::thread::spawn(move || {
                        std::thread::sleep(time);
                        hold.end();
                    })
                })
                .collect(),
        )
    }

    fn end(self) {
        for reader in self.0 {
            reader.join().expect("a reader");
        }
    }
}

fn reader() -> Duration {
    let seconds = std::env::var("KMIG_READER").ok();
    Duration::from_secs_f64(seconds.map_or(2.0, |text| text.parse().expect("seconds")))
}

/// How the traffic stalls while `work` goes on.
fn stalls(case: &Case, tables: &[&str], work: impl FnOnce()) -> Stalls {
    let load = Load::begin(case, tables);
    work();
    load.end()
}

/// How it stalls while nothing does.
fn idle(case: &Case, tables: &[&str]) -> Stalls {
    stalls(case, tables, || {
        std::thread::sleep(Duration::from_millis(500))
    })
}

#[expect(
    clippy::print_stdout,
    reason = "figures, which the harness shows with --nocapture"
)]
fn show(what: &str, stalls: Stalls) {
    println!(
        "{what:52} worst {:5} ms, p99 {:5.1} ms of {} statements",
        stalls.worst.as_millis(),
        stalls.p99.as_secs_f64() * 1000.0,
        stalls.statements
    );
}

/// A project on a database with traffic; its first migration has been run.
fn stage(files: &[(&str, &str)]) -> Case {
    let case = Case::new(&[EMPTY, BASE]);
    case.run("kmig bootstrap", 0);
    for (path, text) in files {
        case.project.write(path, text);
    }
    case
}

/// Runs `kmig` on fresh databases until a run was not noisy: the worst stall of the traffic is the lock timeout and a little.
#[track_caller]
fn stays_within(
    what: &str,
    tables: &[&str],
    allowed: Duration,
    prepare: &dyn Fn() -> Case,
    kmig: &dyn Fn(&Case),
) {
    let mut seen = Vec::new();
    for _ in 0..RUNS {
        let case = prepare();
        let before = idle(&case, tables);
        let during = stalls(&case, tables, || kmig(&case));
        let noise = before.worst.max(idle(&case, tables).worst);
        show(what, during);
        if during.worst <= allowed + LITTLE + noise {
            return;
        }
        seen.push((during.worst, noise));
    }
    panic!(
        "{what}: the traffic stalled for longer than {allowed:?} and {LITTLE:?}; worst stall and noise of each run: {seen:?}"
    );
}

/// The same DDL through psql must stall the traffic, or the test shows nothing.
#[track_caller]
fn naively(what: &str, tables: &[&str], least: Duration, case: &Case, work: &dyn Fn(&Case)) {
    let naive = stalls(case, tables, || work(case));
    show(what, naive);
    assert!(naive.worst > least, "{what}: {naive:?}");
}

#[test]
fn one_alter_behind_a_reader() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let files = [
        (UP, "alter table a add column x int"),
        (FINISH, "alter table a drop column old"),
    ];
    let behind = |case: &Case, work: &dyn Fn()| {
        let readers = Readers::begin(case, &[("a", reader())]);
        work();
        readers.end();
    };
    naively(
        "psql, one ALTER behind a reader",
        &["a"],
        LOCK_TIMEOUT * 2,
        &stage(&[]),
        &|case| behind(case, &|| drop(case.sql("alter table a add column x int"))),
    );
    stays_within(
        "kmig up, one ALTER behind a reader",
        &["a"],
        LOCK_TIMEOUT,
        &|| stage(&files),
        &|case| behind(case, &|| drop(case.run("kmig up", 0))),
    );
    stays_within(
        "kmig finish, one ALTER behind a reader",
        &["a"],
        LOCK_TIMEOUT,
        &|| {
            let case = stage(&files);
            case.run("kmig up", 0);
            case
        },
        &|case| {
            behind(case, &|| {
                drop(case.run("kmig finish -y --assume-gone --reason test", 0));
            });
        },
    );
}

#[test]
fn several_alters_share_one_lock_timeout() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tables = ["a", "b", "c", "d"];
    let alters: Vec<String> = tables
        .iter()
        .map(|table| format!("alter table {table} add column x int"))
        .collect();
    let text = alters.join(";\n");
    // The first lock is had at once, and each of the others within a lock timeout of its own.
    let behind = |case: &Case, work: &dyn Fn()| {
        let short = |times: u32| LOCK_TIMEOUT.mul_f64(0.8) * times;
        let readers = Readers::begin(case, &[("b", short(1)), ("c", short(2)), ("d", short(3))]);
        work();
        readers.end();
    };
    naively(
        "psql, lock_timeout for each of four ALTERs",
        &tables,
        LOCK_TIMEOUT + LOCK_TIMEOUT / 2,
        &stage(&[]),
        &|case| {
            let sql = format!("begin; set local lock_timeout = '500ms'; {text}; commit;");
            behind(case, &|| drop(case.sql(&sql)));
        },
    );
    for (what, text) in [
        ("kmig up, four ALTERs in one string", text.clone()),
        (
            "kmig up, four ALTERs one by one",
            format!(
                "set local work_mem = '4MB'; {};",
                alters.join("; select 1; ")
            ),
        ),
    ] {
        stays_within(
            what,
            &tables,
            LOCK_TIMEOUT,
            &|| stage(&[(UP, &text)]),
            &|case| behind(case, &|| drop(case.run("kmig up", 0))),
        );
    }
    // Undo and finish run by the same rule.
    let finish: String = text.replace("add column x int", "drop column old");
    stays_within(
        "kmig finish, four ALTERs",
        &tables,
        LOCK_TIMEOUT,
        &|| {
            let case = stage(&[(UP, "create table u ()"), (FINISH, &finish)]);
            case.run("kmig up", 0);
            case
        },
        &|case| {
            behind(case, &|| {
                drop(case.run("kmig finish -y --assume-gone --reason test", 0));
            });
        },
    );
}

#[test]
fn rows_written_between_two_alters_are_on_the_budget() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = "alter table a add column x int;\ninsert into b select 5000, 1 from pg_sleep(0.35);\nalter table c add column x int;";
    let behind = |case: &Case, work: &dyn Fn()| {
        let readers = Readers::begin(case, &[("c", LOCK_TIMEOUT * 3)]);
        work();
        readers.end();
    };
    naively(
        "psql, ALTER, INSERT, ALTER behind a reader",
        &["a", "c"],
        LOCK_TIMEOUT * 2,
        &stage(&[]),
        &|case| behind(case, &|| drop(case.sql(&format!("begin; {text} commit;")))),
    );
    stays_within(
        "kmig up, ALTER, INSERT, ALTER behind a reader",
        &["a", "c"],
        LOCK_TIMEOUT,
        &|| stage(&[(UP, text)]),
        &|case| behind(case, &|| drop(case.run("kmig up", 0))),
    );
}

#[test]
fn a_part_keeps_a_lock_timeout_of_its_own() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // With 500 ms in all it would never come to its end.
    let text = "set lock_timeout = '20s';\nalter table a add column x int;\nalter table b add column x int;\nalter table c add column x int;";
    let case = stage(&[(UP, text)]);
    let readers = Readers::begin(&case, &[("b", LOCK_TIMEOUT * 2), ("c", LOCK_TIMEOUT * 3)]);
    let output = case.run("kmig up", 0);
    readers.end();
    assert!(!output.stderr.contains("trying again"), "{output}");
}

#[test]
fn builds_and_validations_stall_nobody_however_long_they_wait() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let build = "create index concurrently a_n on a (n)";
    // Not begun behind others, so that the wait is inside the server, which is said.
    let text = "alter table a validate constraint later";
    let constraint = "alter table a add constraint later check (id > 0) not valid";
    for (what, sql, up, holding) in [
        (
            "kmig up, a build behind a writer",
            "select 1",
            build,
            "update a set n = n where id = 1000",
        ),
        (
            "kmig up, a validation behind a VACUUM's lock",
            constraint,
            text,
            "lock table a in share update exclusive mode",
        ),
    ] {
        stays_within(
            what,
            &["a"],
            Duration::ZERO,
            &|| {
                let case = stage(&[(UP, up)]);
                case.sql(sql);
                case
            },
            &|case| {
                let mut hold = Hold::new(case, holding);
                let mut running = case.kmig("kmig up").start();
                let line = running.await_line("in the way");
                assert!(line.contains("002_x/up.sql:1:1"), "{line}");
                assert!(line.contains("idle in transaction"), "{line}");
                // Longer than any lock timeout.
                std::thread::sleep(LOCK_TIMEOUT);
                assert!(!running.has_ended());
                hold.end();
                let output = running.wait();
                assert_eq!(output.code, 0, "{output}");
                assert!(!output.stderr.contains("trying again"), "{output}");
            },
        );
    }
}

#[test]
fn a_validation_behind_a_lock_of_its_own_transaction_makes_way() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = "alter table b add column x int;\n-- kmig:allow locks-with-work because of the test\nalter table a validate constraint later";
    stays_within(
        "kmig up, an ALTER and a validation behind a lock",
        &["a", "b"],
        LOCK_TIMEOUT,
        &|| {
            let case = stage(&[(UP, text)]);
            case.sql("alter table a add constraint later check (id > 0) not valid");
            case
        },
        &|case| {
            let mut hold = Hold::new(case, "lock table a in share update exclusive mode");
            let mut running = case.kmig("kmig up").start();
            running.await_line("trying again");
            running.await_line("trying again");
            hold.end();
            assert_eq!(running.wait().code, 0);
        },
    );
}

#[test]
fn a_detach_makes_way_and_is_finalized() {
    if !Server::available() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = "-- kmig:allow detach-partition because of the test\nalter table p detach partition p1 concurrently";
    stays_within(
        "kmig up, DETACH CONCURRENTLY behind a reader",
        &["p", "p1"],
        LOCK_TIMEOUT,
        &|| stage(&[(UP, text)]),
        &|case| {
            let readers = Readers::begin(case, &[("p", LOCK_TIMEOUT / 4), ("p1", reader())]);
            case.run("kmig up", 0);
            readers.end();
            assert_eq!(
                case.sql("select count(*) from pg_inherits where inhparent = 'p'::regclass"),
                "1"
            );
        },
    );
}
