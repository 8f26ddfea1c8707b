//! What a dead executor leaves behind on the server goes on, holds the lock, and may still commit. The next one ends it
//! where it is proved dead, and nobody else (fault matrix, row 2; traps P16).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use kmig::machine;
use kmig::run::RunId;

use crate::support::case::{Case, EMPTY, Hold, expect, shell, until};
use crate::support::kmig::Output;
use crate::support::server::Server;

const SLEEPS: &str = "select exists (select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database())";

/// A migration that takes as long as the table says, and inserts a row that shows when it was done twice.
fn slow() -> Case {
    let case = Case::new(&[
        EMPTY,
        (
            "migrations/core/001_a/up.sql",
            "create table a (n bigint); create table brake as select 600 as seconds;",
        ),
    ]);
    case.run("kmig bootstrap", 0);
    case.project.write(
        "migrations/core/002_b/up.sql",
        "insert into a select 2 from brake, pg_sleep(seconds);",
    );
    case
}

#[test]
fn the_orphan_of_a_killed_run_is_ended_by_the_next_one() {
    if !Server::available() {
        return;
    }
    let case = slow();
    let url = case.server.url(&case.database);
    let broken = url.replace(
        &case.server.port().to_string(),
        &half_open(case.server.port()).to_string(),
    );
    let first = case.kmig("kmig up").env("KMIG_URL", broken).start();
    until(&case, SLEEPS);
    case.sql("update brake set seconds = 0");
    let output = case.says(
        "kmig lock show",
        0,
        &["holds the lock", "active", "from brake", "002_b"],
    );
    assert!(!output.stdout.contains("its process is gone"), "{output}");
    first.kill();
    // The server cannot see it: its connection goes on to the network in between, which is still there.
    case.says(
        "kmig status --exit-code",
        5,
        &[
            "its process is gone",
            "the next executor ends it",
            "Next: kmig up",
        ],
    );
    case.says("kmig lock show", 0, &["its process is gone"]);
    case.says(
        "kmig up --lock-wait 0s",
        0,
        &[
            "is dead",
            "its server process is ended",
            "Expanded 1 migration",
        ],
    );
    assert_eq!(case.sql("select count(*) from a"), "1");
    case.run("kmig status --exit-code", 0);
}

#[test]
fn an_executor_that_is_stopped_is_waited_for() {
    if !Server::available() {
        return;
    }
    let case = slow();
    let first = case.kmig("kmig up").start();
    until(&case, SLEEPS);
    first.signal("STOP");
    let pid = case.sql(HOLDER);
    case.says(
        "kmig up --lock-wait 300ms",
        6,
        &["another executor holds the lock"],
    );
    assert_eq!(case.sql(HOLDER), pid);
    let output = case.run("kmig lock show", 0);
    assert!(!output.stdout.contains("gone"), "{output}");
    first.signal("CONT");
    // Its statement reads the table anew only in a new run.
    first.signal("TERM");
    assert_eq!(first.wait().code, 143);
}

/// Who holds the lock.
const HOLDER: &str = "select string_agg(pid::text, ' ') from pg_locks where locktype = 'advisory' and granted \
     and database = (select oid from pg_database where datname = current_database())";

/// A session that holds the lock and announces itself as some run.
fn forged(case: &Case, application: &str) -> Hold {
    Hold::new(
        case,
        &format!(
            "set application_name = '{application}'; select pg_advisory_lock(hashtextextended('kmig public.schema_meta', 0))"
        ),
    )
}

#[test]
fn nobody_is_ended_who_is_not_proved_dead() {
    if !Server::available() {
        return;
    }
    let case = slow();
    case.sql("update brake set seconds = 0");
    let here = machine::this_run();
    let mut child = std::process::Command::new("true")
        .spawn()
        .expect("a process");
    let dead = child.id();
    child.wait().expect("its end");
    let run = |machine: Option<&str>, pid: u32, start: u64| {
        let machine = machine.map(str::to_owned);
        RunId {
            machine,
            pid,
            start,
        }
        .application("app@host")
    };
    let this = here.machine.as_deref().expect("this machine");
    let living = [
        ("another machine", run(Some("zzzzzzzz"), dead, 1)),
        ("a machine that did not tell", run(None, dead, 1)),
        ("a run that lives", here.application("app@host")),
        (
            "a kmig without a run",
            format!("kmig/0.1.0 app@host {dead}"),
        ),
        (
            "a program of another name",
            run(Some(this), dead, 1).replace("kmig/", "other/"),
        ),
    ];
    for (who, application) in living {
        let held = forged(&case, &application);
        let pid = case.sql(HOLDER);
        let output = case.says(
            "kmig up --lock-wait 100ms",
            6,
            &["another executor holds the lock"],
        );
        assert!(!output.stderr.contains("dead"), "{who}: {output}");
        assert_eq!(case.sql(HOLDER), pid, "{who} was ended");
        drop(held);
        until(&case, &format!("select ({HOLDER}) is null"));
    }
    // One whose rights do not suffice says so and waits.
    let _held = forged(&case, &run(Some(this), dead, 1));
    let role = "lock_guest";
    case.sql(&format!(
        "create role {role} login; grant all on all tables in schema public to {role}; grant create on schema public to {role}"
    ));
    let guest = case
        .server
        .url(&case.database)
        .replace("postgres@", &format!("{role}@"));
    let kmig = |line: &str| case.kmig(line).env("KMIG_URL", &guest).run();
    let output = kmig("kmig up --lock-wait 100ms");
    expect(
        "the guest",
        output,
        6,
        &["is dead", "cannot be ended by this role"],
    );
    let output = kmig("kmig lock break --yes");
    expect(
        "the guest",
        output,
        1,
        &["cannot be ended by this role", "pg_signal_backend"],
    );
    let output = kmig("kmig lock show");
    expect(
        "the guest",
        output,
        0,
        &["its process is gone", "pg_read_all_stats"],
    );
    // With them, dead runs are ended: this one, and one whose process id another process has by now.
    case.says(
        "kmig up --lock-wait 0s",
        0,
        &["is dead", "its server process is ended"],
    );
    let start = here.start - 1;
    let _held = forged(&case, &run(Some(this), here.pid, start));
    case.project
        .write("migrations/core/003_c/up.sql", "insert into a values (3);");
    case.says("kmig up --lock-wait 0s", 0, &["is dead"]);
    assert_eq!(
        case.sql("select string_agg(n::text, ' ' order by n) from a"),
        "2 3"
    );
    case.sql(&format!("drop owned by {role}; drop role {role}"));
}

/// A network that does not tell the server that a client is gone: where it listens.
fn half_open(server: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(("127.0.0.1", server)).expect("connect to the server");
            kept.push(server.try_clone().expect("a socket"));
            let (to_client, from_server) = (
                client.try_clone().expect("a socket"),
                server.try_clone().expect("a socket"),
            );
            std::thread::spawn(move || pass(client, server));
            std::thread::spawn(move || {
                pass(from_server, to_client.try_clone().expect("a socket"));
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

/// Passes on what comes, as long as anything does.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// What `lock break` was asked about may be another's by the time of the answer.
#[test]
fn only_the_holder_that_was_shown_is_ended() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY]);

    // Answered no: it stays.
    let held = forged(&case, "one");
    let pid = case.sql(HOLDER);
    let output = asked(&case, "n", || {});
    expect("no", output, 2, &["one (server process", "answered no"]);
    assert_eq!(case.sql(HOLDER), pid);
    // Gone by itself.
    let output = asked(&case, "y", || {
        drop(held);
        until(&case, &format!("select ({HOLDER}) is null"));
    });
    expect("gone", output, 0, &["given it back by itself"]);
    // Another one has it.
    let first = forged(&case, "first");
    let mut second = None;
    let output = asked(&case, "y", || {
        drop(first);
        until(&case, &format!("select ({HOLDER}) is null"));
        second = Some(forged(&case, "second"));
    });
    expect(
        "another",
        output,
        6,
        &["first", "second", "nobody was ended"],
    );
    // The same one: it is ended, and there are no tables for a journal yet.
    let output = asked(&case, "y", || {});
    expect(
        "the same",
        output,
        0,
        &["Broke the lock: second", "Nobody holds it now."],
    );
    assert_eq!(case.sql(HOLDER), "");
    drop(second);
}

/// Runs `lock break` on a terminal, does something while its question stands there, and gives the answer.
fn asked(case: &Case, answer: &str, meanwhile: impl FnOnce()) -> Output {
    let project = &case.project;
    for name in ["keys", "screen", "asked", "answer"] {
        let _ = std::fs::remove_file(project.path().join(name));
    }
    let line = "mkfifo keys; exec 3<>keys; script -qefc '\"$KMIG\" lock break' screen <keys >/dev/null & \
        until grep -q 'y/N' screen 2>/dev/null; do sleep 0.02; done; touch asked; \
        until [ -s answer ]; do sleep 0.02; done; cat answer >&3; wait $!; code=$?; cat screen; exit $code";
    let run = shell(project.path(), line).env("KMIG_URL", case.server.url(&case.database));
    let running = run.start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !project.path().join("asked").exists() {
        assert!(std::time::Instant::now() < deadline, "nothing was asked");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    meanwhile();
    project.write("answer", answer);
    running.wait()
}
