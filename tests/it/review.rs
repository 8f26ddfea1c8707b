//! What a run tells of itself where it did not go straight: retries, signals, rights that are missing, a lock that is lost.

use crate::support::case::{Case, EMPTY, Hold, document, expect};
use crate::support::server::Server;

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create table t (a int); create table u (a int);",
);

/// Key of the executor's lock where kmig's tables are where they are by default.
const KEY: &str = "hashtextextended('kmig public.schema_meta', 0)";

/// What is there, and what is recorded, but for the line that a run ends with.
const DONE: &str = "select relname, relfilenode, relnatts from pg_class where relnamespace = 'public'::regnamespace order by 1; \
     select m from schema_meta m order by number; select kind from schema_meta_journal where kind <> 'end' order by seq";

fn based(base: (&str, &str)) -> Case {
    let case = Case::new(&[EMPTY, base]);
    case.run("kmig bootstrap", 0);
    case
}

#[test]
fn a_statement_that_was_tried_again_counts_once() {
    if !Server::available() {
        return;
    }
    let sharing = "create table x (); create table y (); alter table t add b int;";
    let copying = "create table x (); create table y ();\ncopy t (a) from stdin;\n1\n\\.\n";
    let bare = "create table x ();\n-- kmig:allow vacuum-full because the test wants it\nvacuum full t; create table y ();";
    // The blocked migration alone, and behind another that travels with it.
    for (name, blocked, first, says, statements) in [
        (
            "alone",
            sharing,
            None,
            "Expanded 1 migration: 3 statements.",
            3,
        ),
        (
            "copy",
            copying,
            None,
            "Expanded 1 migration: 3 statements.",
            3,
        ),
        ("bare", bare, None, "Expanded 1 migration: 3 statements.", 3),
        (
            "behind",
            sharing,
            Some("create table before (); create table between ();"),
            "Expanded 2 migrations: 5 statements.",
            5,
        ),
        (
            "bare behind",
            bare,
            Some("create table before (); create table between ();"),
            "Expanded 2 migrations: 5 statements.",
            5,
        ),
    ] {
        let case = based(BASE);
        if let Some(first) = first {
            case.project
                .write("migrations/core/002_before/up.sql", first);
        }
        case.project.write("migrations/core/003_x/up.sql", blocked);
        let mut reader = Hold::new(&case, "lock table t");
        let mut run = case.kmig("kmig up --lock-timeout 20ms --json").start();
        for _ in 0..2 {
            run.await_line("made way for the application");
        }
        reader.end();
        let output = expect(name, run.wait(), 0, &[says, "made way"]);
        let answer = document(name, &output);
        assert_eq!(answer["statements"], statements, "{name}: {output}");
        let parts = answer["parts"].as_array().expect("parts").len();
        assert_eq!(parts, 1 + usize::from(first.is_some()), "{name}: {output}");
    }
}

#[test]
fn a_right_that_is_missing_on_kmigs_tables_is_named() {
    if !Server::available() {
        return;
    }
    // The batch, its line in the journal, its members' record, and the end of an undo.
    for (number, right, table, command) in [
        (1, "insert", "schema_meta", "kmig up"),
        (2, "insert", "schema_meta_journal", "kmig up"),
        (3, "update", "schema_meta", "kmig up"),
        (
            4,
            "delete",
            "schema_meta",
            "kmig undo -y --assume-gone --reason test",
        ),
    ] {
        let case = based(BASE);
        let write = |part: &str, text: &str| {
            let path = format!("migrations/core/002_x/{part}.sql");
            case.project.write(&path, text);
        };
        write("up", "create table x ();");
        write("undo", "drop table x;");
        write("finish", "drop table t;");
        let role = format!("executor_{number}_of_{}", case.database);
        let tables = "schema_meta, schema_meta_journal";
        case.sql(&format!(
            "create role {role} login; grant usage, create on schema public to {role};\n\
             grant select on schema_meta_history to {role};\n\
             grant select, insert, update, delete on {tables} to {role};\n\
             revoke {right} on {table} from {role}"
        ));
        let url = case.server.url_as(&role, &case.database);
        let run = |line: &str| case.kmig(line).env("KMIG_URL", &url).run();
        if command != "kmig up" {
            expect(right, run("kmig up"), 0, &[]);
        }
        let there = case.sql("select to_regclass('x') is not null");
        let texts = [
            "42501",
            table,
            "permission denied",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON \"public\".\"schema_meta\", \"public\".\"schema_meta_journal\" to this role",
        ];
        expect(&format!("{right} on {table}"), run(command), 1, &texts);
        assert_eq!(case.sql("select to_regclass('x') is not null"), there);
        // What is advised is enough.
        case.sql(&format!(
            "grant select, insert, update, delete on {tables} to {role}"
        ));
        expect(right, run(command), 0, &["1 migration: 1 statement."]);
    }
}

#[test]
fn a_polite_end_is_heard_while_kmig_waits() {
    if !Server::available() {
        return;
    }
    // In the way, what kmig says once it waits for it in a pause of its own.
    for (sql, says, line) in [
        (
            format!("select pg_advisory_lock({KEY})"),
            "waiting for another executor",
            "kmig up",
        ),
        (
            "select from t".to_string(),
            "made way for the application",
            "kmig up --lock-timeout 2s",
        ),
        (
            "select from u".to_string(),
            "made way for the application",
            "kmig up --lock-timeout 2s",
        ),
    ] {
        let case = based(BASE);
        case.project.write(
            "migrations/core/002_x/up.sql",
            "create table x (); alter table t add b int;\n-- kmig:allow vacuum-full because the test wants it\nvacuum full u; create table y ();",
        );
        let mut other = Hold::new(&case, &sql);
        let mut run = case.kmig(line).start();
        run.await_line(says);
        let before = case.sql(DONE);
        run.signal("TERM");
        // It leaves while the way is still barred, and does not go it once it is free.
        expect(&sql, run.wait(), 143, &["stopped by a signal"]);
        other.end();
        assert_eq!(case.sql(DONE), before, "{sql}");
        case.run("kmig up --lock-wait 0s", 0);
        assert_eq!(
            case.sql("select to_regclass('y') is not null"),
            "t",
            "{sql}"
        );
    }
}

#[test]
fn an_executor_that_another_has_overtaken_records_nothing() {
    if !Server::available() {
        return;
    }
    let case = based((
        "migrations/core/001_base/up.sql",
        "create table t (a int);\n\
         create function away(a int) returns int language plpgsql immutable as 'begin perform pg_advisory_unlock_all(); return a; end';\n\
         insert into t values (1);",
    ));
    // The build gives the lock away, in no transaction that could hold on to it, and then waits for an old snapshot.
    case.project.write(
        "migrations/core/002_x/up.sql",
        "-- kmig:allow unknown-call because test\ncreate index concurrently t_a on t (away(a));\ncreate table x ();",
    );
    let mut old = Hold::new(
        &case,
        "set transaction isolation level repeatable read; select count(*) from t",
    );
    let first = case.kmig("kmig up").start();
    let waits = "select count(*) > 0 from pg_stat_progress_create_index where datname = current_database() and phase = 'waiting for old snapshots'";
    while case.sql(waits) != "t" {}
    let mut other = Hold::new(&case, &format!("select pg_advisory_lock({KEY})"));
    let before = case.picture();
    old.end();
    let texts = ["this executor's lock was lost", "kmig up"];
    expect("the first", first.wait(), 6, &texts);
    assert_eq!(case.picture(), before);
    other.end();
    case.says("kmig up", 0, &["002_x/up.sql:2:1", "has taken effect"]);
    assert_eq!(
        case.sql("select indisvalid, to_regclass('x') is not null from pg_index where indexrelid = 't_a'::regclass"),
        "t|t"
    );
}
