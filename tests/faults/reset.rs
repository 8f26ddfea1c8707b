//! Reset: killed at any message it has dropped all or nothing, after any half of an up it leaves the database as it was
//! before bootstrap, and what changed while its question stood there is not dropped.

use fastrand::Rng;

use crate::grammar::{self, BASE};
use crate::support::case::{Case, expect, shell};
use crate::support::fingerprint::{difference, fingerprint};
use crate::support::server::Server;
use crate::undo::Stage;

/// What was there before kmig, and stays.
const BEFORE: &str = "create table mine (a int); insert into mine values (1), (2); create view my_view as select * from mine";

const RANDOM_SETS: u64 = 8;

fn stage() -> Option<(Stage, String)> {
    if !Server::available() {
        return None;
    }
    let stage = Stage::new(&[("kmig.toml", ""), ("migrations/core/001_base/up.sql", BASE)]);
    let fresh = stage.server.database();
    stage.server.psql(&fresh, BEFORE);
    Some((stage, fresh))
}

/// Waits until the server is done with what a killed kmig sent last.
fn settled(server: &Server, database: &str) {
    let sessions = "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'kmig%'";
    server.await_rows(database, sessions, "0");
}

#[test]
fn a_reset_killed_at_any_message_has_dropped_all_or_nothing() {
    let Some((stage, fresh)) = stage() else {
        return;
    };
    let server = stage.server;
    let mut rng = Rng::with_seed(1);
    for number in 2..4 {
        grammar::migration(&mut rng, &stage.project, number);
    }
    // Not to be dropped at one go: each needs what is of another kind.
    stage.project.write(
        "migrations/core/006_chain/up.sql",
        "create table chain (a int); create function links() returns setof chain language sql as 'select * from chain';\n\
         create view v1 as select * from links(); create materialized view m1 as select * from v1;\n\
         create view v2 as select * from m1; create materialized view m2 as select * from v2;",
    );
    let full = server.copy(&fresh);
    stage.run(&full, &["bootstrap"], 0, "at first");
    let (nothing_left, all_there) = (fingerprint(server, &fresh), fingerprint(server, &full));
    let (mut none, mut all) = (0, 0);
    for point in 1.. {
        let database = server.copy(&full);
        let reset: &[&str] = &["reset", "--database", &database, "--lock-wait", "60s"];
        let title = format!("reset was killed at message {point}");
        let complete = stage.killed_at(point, &database, reset);
        settled(server, &database);
        let found = fingerprint(server, &database);
        if found == nothing_left {
            all += 1;
            // There is nothing more to drop.
            stage.run(&database, reset, 0, &title);
        } else if let Some(difference) = difference(&all_there, &found) {
            panic!("{title}, half a reset:\n{difference}");
        } else {
            none += 1;
            stage.run(&database, reset, 0, &title);
            let left = difference(&nothing_left, &fingerprint(server, &database));
            assert_eq!(left, None, "{title}, and went on");
        }
        if complete {
            assert!(none > 5 && all > 1, "nothing {none} times, all {all} times");
            break;
        }
    }
}

#[test]
fn after_any_half_of_an_up_nothing_of_the_migrations_is_left() {
    let mut rng = Rng::with_seed(2);
    for seed in 0..RANDOM_SETS {
        let Some((stage, fresh)) = stage() else {
            return;
        };
        let server = stage.server;
        let database = server.copy(&fresh);
        for number in 2..4 {
            grammar::migration(&mut rng, &stage.project, number);
        }
        stage.run(&database, &["bootstrap"], 0, "at first");
        for number in 4..7 {
            grammar::migration(&mut rng, &stage.project, number);
        }
        let point = rng.usize(8..40);
        let title = format!("set {seed}, up was killed at message {point}");
        if stage.killed_at(point, &database, &["up"]) && rng.bool() {
            let finish = ["finish", "-y", "--assume-gone", "--reason", "a test"];
            stage.killed_at(rng.usize(8..40), &database, &finish);
        }
        settled(server, &database);
        let reset = ["reset", "--database", &database];
        stage.run(&database, &reset, 0, &title);
        let left = difference(
            &fingerprint(server, &fresh),
            &fingerprint(server, &database),
        );
        assert_eq!(left, None, "{title}");
        stage.run(&database, &["bootstrap"], 0, &title);
    }
}

/// Runs `reset` on a terminal and types an answer; before that another session may do something.
fn typed(case: &Case, answer: &str, meanwhile: &str, code: i32, texts: &[&str]) {
    let project = &case.project;
    for name in ["keys", "screen"] {
        let _ = std::fs::remove_file(project.path().join(name));
    }
    project.write("meanwhile.sql", meanwhile);
    let psql = case.server.program("psql");
    let line = format!(
        "mkfifo keys; exec 3<>keys; script -qefc '\"$KMIG\" reset' screen <keys >/dev/null & \
         for i in $(seq 600); do grep -q 'Type the database' screen 2>/dev/null && break; sleep 0.05; done; \
         {} -qX -f meanwhile.sql \"$KMIG_URL\"; printf '{answer}\\n' >&3; wait $!; code=$?; cat screen; exit $code",
        psql.display()
    );
    let run = shell(project.path(), &line);
    let output = run.env("KMIG_URL", case.server.url(&case.database)).run();
    expect(answer, output, code, texts);
}

#[test]
fn the_name_is_typed_and_what_was_shown_is_what_goes() {
    if !Server::available() {
        return;
    }
    let up = "create table a (x int); create table b (x int);";
    let case = Case::new(&[("kmig.toml", ""), ("migrations/core/001_base/up.sql", up)]);
    case.run("kmig bootstrap", 0);
    let before = case.picture();
    typed(
        &case,
        "yes",
        "",
        2,
        &["table public.a", "not \"yes\"", "nothing was dropped"],
    );
    typed(&case, "", "", 2, &["nothing was dropped"]);
    assert_eq!(case.picture(), before);
    let name = case.database.clone();
    let other = "alter table b rename to c; create table b (x int)";
    typed(
        &case,
        &name,
        other,
        1,
        &["changed since it was shown", "nothing was dropped"],
    );
    case.sql("drop table b; alter table c rename to b");
    assert_eq!(case.picture(), before);
    typed(&case, &name, "", 0, &["Dropped 2 objects"]);
    assert_eq!(case.picture(), "");
}
