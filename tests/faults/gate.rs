//! The gate of `finish` on Postgres (fault matrix, row 26): an old client that appears at each moment, from the first look to
//! the last message. Behind the look that could see it nothing is taken away any more, and what is left stays pending.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use crate::support::case::{Case, document, expect, until};
use crate::support::kmig::Output;
use crate::support::server::Server;
use crate::support::wire_proxy::{At, Harm, WireProxy};

/// An application's session that stays.
pub struct Client(Child);

impl Client {
    /// Connects, as the superuser, under this name; it does nothing more.
    pub fn open(server: &Server, database: &str, name: &str) -> Self {
        Self::by(server, &server.url(database), name)
    }

    /// The same by a url.
    pub fn by(server: &Server, url: &str, name: &str) -> Self {
        let mut child = server
            .psql_command("postgres")
            .args(["-d", url])
            .env("PGAPPNAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start psql");
        let stdin = child.stdin.as_mut().expect("psql's input");
        writeln!(stdin, "select 'here';").expect("write to psql");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("psql's output"))
            .read_line(&mut line)
            .expect("read from psql");
        assert_eq!(line, "here\n", "the client is connected");
        Self(child)
    }
}

impl Drop for Client {
    /// It leaves as a client does, and the server has noticed once this returns.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// An upgrade from 1.0 to 2.0 whose finish has four steps: two transactions, a statement outside transactions, and one more.
pub const FILES: [(&str, &str); 10] = [
    ("kmig.toml", "[app]\nname = \"gw\"\nversion = \"1.0\"\n"),
    (
        "migrations/core/001_base/up.sql",
        "create table t (id int primary key, a int, b int); create table old (id int); create index t_b on t (b);",
    ),
    ("migrations/core/002_a/up.sql", "alter table t add a2 int;"),
    (
        "migrations/core/002_a/backfill.sql",
        "update t set a2 = a where a2 is null;",
    ),
    (
        "migrations/core/002_a/ready.sql",
        "select id from t where a2 is distinct from a;",
    ),
    (
        "migrations/core/002_a/finish.sql",
        "alter table t drop column a;",
    ),
    ("migrations/core/003_b/up.sql", "select 1;"),
    (
        "migrations/core/003_b/finish.sql",
        "drop index concurrently t_b; alter table t drop column b;",
    ),
    ("migrations/core/004_c/up.sql", "select 2;"),
    ("migrations/core/004_c/finish.sql", "drop table old;"),
];

/// What is there of what the finish takes away, step by step.
const LEFT: &str = "select (exists (select from pg_attribute where attrelid = 't'::regclass and attname = 'a' and not attisdropped))::int \
     + (to_regclass('t_b') is not null)::int \
     + (exists (select from pg_attribute where attrelid = 't'::regclass and attname = 'b' and not attisdropped))::int \
     + (to_regclass('old') is not null)::int";

const FINISH: &str = "kmig finish -y";

/// A database that owes the finish.
pub fn pending() -> Case {
    let case = Case::new(&FILES[..2]);
    case.run("kmig bootstrap", 0);
    for (path, text) in &FILES[2..] {
        case.project.write(path, text);
    }
    case.project
        .write("kmig.toml", "[app]\nname = \"gw\"\nversion = \"2.0\"\n");
    case.run("kmig up", 0);
    case
}

/// How many of the four are left.
fn left(case: &Case) -> usize {
    case.sql(LEFT).parse().expect("a number")
}

/// A finish through a proxy, held at a point; the client connects meanwhile. How many steps were left then, and what came of
/// the finish; nothing where it ended before it came to the point.
fn held(case: &Case, at: At, name: &str) -> Option<(usize, Output, Client)> {
    let line = WireProxy::start(case.server.port());
    line.harm(at, Harm::Hold);
    let finish = case
        .kmig(FINISH)
        .env("KMIG_URL", line.url(&case.database))
        .env("KMIG_GATE_WINDOW", "100ms");
    let mut running = finish.start();
    if !line.struck_or(|| running.has_ended()) {
        return None;
    }
    let before = left(case);
    let client = Client::open(case.server, &case.database, name);
    line.release();
    Some((before, running.wait(), client))
}

/// The finish stopped at the gate, and goes on once the client has left.
#[track_caller]
fn stopped(case: &Case, what: &str, output: Output, client: Client, left_then: usize) {
    expect(
        what,
        output,
        7,
        &["the gate is closed", "gw/1.0", "1.0 is older than 2.0"],
    );
    assert_eq!(left(case), left_then, "{what}");
    case.run("kmig status --exit-code", 4);
    // As long as it is there nothing is run.
    case.says("kmig finish -y", 7, &["gw/1.0"]);
    assert_eq!(left(case), left_then, "{what}");
    drop(client);
    case.run(FINISH, 0);
    assert_eq!(left(case), 0, "{what}");
    case.run("kmig status --exit-code", 0);
}

#[test]
fn an_old_client_that_comes_while_it_is_looked_closes_it() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let at = At::Sent("pg_stat_activity".to_owned());
    let (_, output, client) = held(&case, at, "gw/1.0").expect("it is looked");
    stopped(&case, "at the first look", output, client, 4);
}

/// Its statement is done and its locks are held, and the transaction is rolled back all the same (traps P4).
#[test]
fn an_old_client_that_comes_inside_the_destructive_transaction_rolls_it_back() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let at = At::Sent("alter table t drop column a".to_owned());
    let (before, output, client) = held(&case, at, "gw/1.0").expect("the statement is sent");
    assert_eq!(before, 4);
    stopped(&case, "inside the first transaction", output, client, 4);
}

#[test]
fn an_old_client_that_comes_between_two_steps_keeps_the_second_from_being_run() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let at = At::Sent("drop table old".to_owned());
    let (before, output, client) = held(&case, at, "gw/1.0").expect("it is sent");
    assert_eq!(before, 1);
    let done = "3 steps before it are done and recorded";
    assert!(output.stderr.contains(done), "{output}");
    stopped(&case, "in the last step", output, client, 1);
}

/// At every message: of the steps that were left when the client connected one may still take effect, whose last look had been
/// answered; never two.
#[test]
fn an_old_client_that_comes_at_any_message() {
    if !Server::available() {
        return;
    }
    let template = pending();
    // With KMIG_EVERY_POINT=1 every message has its turn.
    let stride = match std::env::var_os("KMIG_EVERY_POINT") {
        Some(_) => 1,
        None => 3,
    };
    let mut point = 1;
    let mut ends = [0; 2];
    loop {
        let case = Case {
            server: template.server,
            project: crate::support::kmig::project(&[]),
            database: template.server.copy(&template.database),
        };
        case.project.copy(template.project.path(), "");
        let what = format!("message {point}");
        let Some((before, output, client)) = held(&case, At::Before(point), "gw/1.0") else {
            break;
        };
        let then = left(&case);
        assert!(before - then <= 1, "{what}: {before} to {then}\n{output}");
        match output.code {
            // It came behind the last look of all.
            0 => assert_eq!(then, 0, "{what}: {output}"),
            _ => stopped(&case, &what, output.clone(), client, then),
        }
        ends[usize::from(output.code == 7)] += 1;
        point += stride;
    }
    // Most of the messages come before the last look.
    assert!(ends[1] > 3 * ends[0] && ends[1] * stride > 20, "{ends:?}");
}

/// What an old client wrote after the ready part was asked is found behind the lock (traps P1).
#[test]
fn a_row_that_comes_late_is_found_behind_the_lock() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let line = WireProxy::start(case.server.port());
    // The answer to the first question is on its way: no row was found.
    line.harm(At::Sent("is distinct from a".to_owned()), Harm::Hold);
    let finish = case
        .kmig(FINISH)
        .env("KMIG_URL", line.url(&case.database))
        .start();
    let finish = line.await_struck_by(finish);
    until(
        &case,
        "select exists (select from pg_stat_activity where query like '%is distinct from a%' and state like 'idle%')",
    );
    case.sql("insert into t (id, a) values (1, 1)");
    line.release();
    let texts = ["refuses the finish", "id = 1", "ready.sql:1:1"];
    expect("a late row", finish.wait(), 7, &texts);
    assert_eq!(left(&case), 4);
    // The sweep of the next finish fills it.
    case.run(FINISH, 0);
    assert_eq!(case.sql("select a2 from t"), "1");
}

#[test]
fn a_gate_that_is_waited_for_names_who_is_in_the_way_and_opens() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let first = Client::open(case.server, &case.database, "gw/1.0");
    let mut running = case.kmig("kmig finish -y --gate-wait 1h").start();
    running.await_line("gw/1.0");
    let second = Client::open(case.server, &case.database, "gw/1.1");
    drop(first);
    running.await_line("gw/1.1");
    assert_eq!(left(&case), 4);
    drop(second);
    let output = expect("waiting", running.wait(), 0, &["gate: open"]);
    assert!(
        output.stderr.contains("last seen: gw/1.1 at") || output.stderr.contains("no client of gw"),
        "{output}"
    );
    assert_eq!(left(&case), 0);
}

/// It closes in the middle of the steps, and goes on by itself.
#[test]
fn a_gate_that_closes_in_the_middle_is_waited_for_too() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let line = WireProxy::start(case.server.port());
    line.harm(At::Sent("drop table old".to_owned()), Harm::Hold);
    let running = case
        .kmig("kmig finish -y --gate-wait 1h")
        .env("KMIG_URL", line.url(&case.database))
        .start();
    let mut running = line.await_struck_by(running);
    let client = Client::open(case.server, &case.database, "gw/1.0");
    line.release();
    running.await_line("gw/1.0");
    assert_eq!(left(&case), 1);
    drop(client);
    expect("waiting", running.wait(), 0, &["Finished"]);
    assert_eq!(left(&case), 0);
    let steps = "select bool_and(n = 1) from (select count(*) n from schema_meta_journal where kind = 'step' and part = 'finish' group by number, first_statement) s";
    assert_eq!(case.sql(steps), "t");
}

/// No more than one query a look: the window's, one under the lock, one a step.
#[test]
fn the_gate_asks_once_a_look() {
    if !Server::available() {
        return;
    }
    let case = pending();
    case.sql(&format!(
        "alter database \"{}\" set log_statement = 'all'",
        case.database
    ));
    let seen = case.server.log_length();
    let output = case.kmig("kmig finish -y --json").run();
    let output = expect("finish", output, 0, &[]);
    let looks = document("finish", &output)["gate"]["looks"]
        .as_u64()
        .expect("a number");
    assert!(looks >= 2, "{output}");
    let asked = case.server.logged(seen, "'server' AS kind");
    assert_eq!(asked as u64, looks + 1 + 4, "{output}");
}

/// The floor stands before the first step, and an undo takes it back where the finish was not begun.
#[test]
fn the_floor_is_recorded_before_the_first_step() {
    if !Server::available() {
        return;
    }
    let case = pending();
    case.project.write(
        "migrations/core/002_a/undo.sql",
        "alter table t drop column a2;",
    );
    case.project
        .write("migrations/core/003_b/undo.sql", "select 1;");
    case.project
        .write("migrations/core/004_c/undo.sql", "select 1;");
    case.run("kmig wait --require-version 1.0", 0);
    let at = At::Sent("alter table t drop column a".to_owned());
    let (_, output, client) = held(&case, at, "gw/1.0").expect("the statement is sent");
    expect("finish", output, 7, &[]);
    case.says("kmig wait --require-version 1.0", 9, &["below 2.0"]);
    case.run("kmig wait --require-version 2.0", 0);
    case.run("kmig undo -y", 0);
    case.run("kmig wait --require-version 1.0", 0);
    drop(client);
    case.run("kmig up", 0);
    case.run(FINISH, 0);
    case.run("kmig wait --require-version 1.0", 9);
}
