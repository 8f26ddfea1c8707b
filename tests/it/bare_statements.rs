//! Statements that run in no transaction: what a failure or a crash leaves behind is cleared, and the rest is done (traps P10, P11).

use crate::support::case::{Case, EMPTY, Hold};
use crate::support::server::Server;

const UP: &str = "migrations/core/002_x/up.sql";

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create table t (a int, b int); insert into t values (1, 1), (1, 2); create index t_b on t (b);\n\
     create table \"Odd t\" (a int); create schema s; create table s.t (a int);",
);

const BUILDING: &str = "select count(*) > 0 from pg_stat_progress_create_index where datname = current_database() and phase like 'waiting for%'";

fn based() -> Case {
    let case = Case::new(&[EMPTY, BASE]);
    case.run("kmig bootstrap", 0);
    case
}

fn invalid(case: &Case) -> String {
    case.sql("select indexrelid::regclass from pg_index where not indisvalid")
}

#[test]
fn a_unique_index_over_duplicates_leaves_nothing() {
    if !Server::available() {
        return;
    }
    let case = based();
    case.project.write(
        UP,
        "create table x ();\n-- kmig:allow unique-index-on-existing because the test wants it\ncreate unique index concurrently t_a on t (a);\ncreate table y ();",
    );
    for _ in 0..2 {
        let text = [
            "002_x/up.sql:3:",
            "23505",
            "(a)=(1)",
            "statement 1",
            "mend",
            "kmig up",
        ];
        case.says("kmig up", 1, &text);
        assert_eq!(invalid(&case), "");
        assert_eq!(case.sql("select to_regclass('t_a') is null, to_regclass('x') is not null, to_regclass('y') is null"), "t|t|t");
        // The application may still write what the index would have refused.
        case.sql("insert into t values (1, 3)");
        case.says(
            "kmig status --exit-code",
            5,
            &["core/002_x", "1 statement done"],
        );
    }
    case.sql("delete from t");
    case.run("kmig up", 0);
    assert_eq!(case.sql("select indisvalid, indisunique from pg_index where indexrelid = 't_a'::regclass; select to_regclass('y') is not null"), "t|t\nt");
    case.run("kmig check --db", 0);
}

#[test]
fn an_invalid_index_of_a_killed_run_is_built_again() {
    if !Server::available() {
        return;
    }
    for (name, index) in [
        ("plain", "create index concurrently t_a on t (a)"),
        (
            "lenient",
            "create index concurrently if not exists t_a on public.t (a)",
        ),
        (
            "odd",
            "create index concurrently \"Odd i\" on \"Odd t\" (a)",
        ),
        ("elsewhere", "create index concurrently t_a on s.t (a)"),
    ] {
        let case = based();
        case.project
            .write(UP, &format!("{index};\ncreate table x ();"));
        let table = match name {
            "odd" => "\"Odd t\"",
            "elsewhere" => "s.t",
            _ => "t",
        };
        let mut writer = Hold::new(&case, &format!("insert into {table} values (7)"));
        let run = case.kmig("kmig up").start();
        while case.sql(BUILDING) != "t" {}
        // The backend is killed, and kmig with it has no chance to clear anything.
        case.sql("select pg_terminate_backend(pid) from pg_stat_progress_create_index where datname = current_database()");
        let output = run.wait();
        assert_eq!(output.code, 1, "{name}: {output}");
        assert!(output.stderr.contains("the connection"), "{name}: {output}");
        writer.end();
        assert_ne!(invalid(&case), "", "{name}");
        let before = case.sql("select indexrelid from pg_index where not indisvalid");
        case.says("kmig up", 0, &["002_x/up.sql:1:1", "run again"]);
        assert_eq!(invalid(&case), "", "{name}");
        assert_eq!(
            case.sql(&format!(
                "select count(*) from pg_index where indexrelid = {before}"
            )),
            "0",
            "{name}"
        );
        assert_eq!(
            case.sql(&format!("select count(*) from pg_index where indrelid = '{table}'::regclass and indexrelid::regclass::text !~ 't_b'")),
            "1",
            "{name}"
        );
        case.run("kmig status --exit-code", 0);
    }
}

#[test]
fn an_index_of_another_is_not_taken_for_ones_own() {
    if !Server::available() {
        return;
    }
    // What is there before, the statement, what is said.
    for (there, statement, says) in [
        (
            "create index t_a on t (a); update pg_index set indisvalid = false where indexrelid = 't_a'::regclass",
            "create index concurrently if not exists t_a on t (a)",
            &["INVALID index called t_a", "IF NOT EXISTS", "drop it"][..],
        ),
        (
            "create table t_a ()",
            "create index concurrently if not exists t_a on t (a)",
            &["another relation called t_a"],
        ),
        (
            "create index t_a on \"Odd t\" (a)",
            "create index concurrently if not exists t_a on t (a)",
            &["another relation called t_a"],
        ),
        (
            "create index t_a on t (a)",
            "create index concurrently t_a on t (a)",
            &["42P07", "already exists"],
        ),
        (
            "create index t_a on t (a); update pg_index set indisvalid = false where indexrelid = 't_a'::regclass",
            "create index concurrently t_a on t (a)",
            &["42P07", "already exists"],
        ),
        (
            "create index t_a on t (b)",
            "create index concurrently if not exists t_a on t (a)",
            &["another definition called t_a", "drop it"],
        ),
        (
            "create index t_a on t (a)",
            "create unique index concurrently if not exists t_a on t (a)",
            &["another definition called t_a", "drop it"],
        ),
        (
            "create index t_a on t (a)",
            "create index concurrently if not exists t_a on t (a desc)",
            &["another definition called t_a", "drop it"],
        ),
        (
            "create index t_a on t (a)",
            "create index concurrently if not exists t_a on t (a) where b > 0",
            &["another definition called t_a", "drop it"],
        ),
        (
            "create index t_a on t (abs(a))",
            "create index concurrently if not exists t_a on public.t (abs(b))",
            &["another definition called t_a", "drop it"],
        ),
    ] {
        let case = based();
        case.sql(there);
        case.project
            .write(UP, &format!("create table x ();\n{statement};"));
        case.says("kmig up", 1, &[&["002_x/up.sql:2:"], says].concat());
        // What was there is still there, as it was.
        assert_eq!(
            case.sql("select to_regclass('t_a') is not null"),
            "t",
            "{statement}"
        );
    }
    // The same index as asked for is what IF NOT EXISTS is for, however it is written.
    for (there, definition) in [
        ("create index t_a on t (a)", "t (a)"),
        (
            "create index t_a on t (a desc) include (b) where b > 0",
            "public.t using btree (\"a\" DESC) include (b) where (b>0) -- the end\n",
        ),
        (
            "create index t_a on t (lower(a::text) text_pattern_ops)",
            "t (lower(a::text) text_pattern_ops)",
        ),
    ] {
        let case = based();
        case.sql(there);
        case.project.write(
            UP,
            &format!("create index concurrently if not exists t_a on {definition};"),
        );
        case.run("kmig up", 0);
    }
}

#[test]
fn a_drop_that_was_interrupted_goes_on() {
    if !Server::available() {
        return;
    }
    for statement in [
        "drop index concurrently t_b",
        "drop index concurrently if exists public.t_b",
    ] {
        let case = based();
        case.project.write("migrations/core/002_x/up.sql", "");
        case.project.write(
            "migrations/core/002_x/finish.sql",
            &format!("{statement};\ncreate table x ();"),
        );
        case.run("kmig up", 0);
        let finish = "kmig finish -y --assume-gone --reason test";
        // The drop waits for a reader, after it has made the index invalid; there its backend is killed.
        let mut reader = Hold::new(&case, "select from t where b = 1");
        let run = case.kmig(finish).start();
        while invalid(&case) != "t_b" {}
        case.sql("select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%drop index%' and pid <> pg_backend_pid() and datname = current_database()");
        assert_eq!(run.wait().code, 1);
        reader.end();
        case.says("kmig status --exit-code", 4, &["core/002_x"]);
        case.says(finish, 0, &["finish.sql:1:1", "run again"]);
        assert_eq!(
            case.sql("select to_regclass('t_b') is null, to_regclass('x') is not null"),
            "t|t"
        );

        // Dropped, but not recorded: the second time it is done already.
        let case = based();
        case.project.write("migrations/core/002_x/up.sql", "");
        case.project.write(
            "migrations/core/002_x/finish.sql",
            &format!("{statement};\ncreate table x ();"),
        );
        case.run("kmig up", 0);
        let mut reader = Hold::new(&case, "select from t where b = 1");
        let run = case.kmig(finish).start();
        while invalid(&case) != "t_b" {}
        case.sql("select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%drop index%' and pid <> pg_backend_pid() and datname = current_database()");
        run.wait();
        reader.end();
        case.sql("drop index t_b");
        case.says(finish, 0, &["has taken effect"]);
        assert_eq!(case.sql("select to_regclass('x') is not null"), "t");
    }
}

#[test]
fn a_new_label_is_used_in_the_same_part() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        EMPTY,
        (
            "migrations/core/001_base/up.sql",
            "create type mood as enum ('ok');",
        ),
    ]);
    case.run("kmig bootstrap", 0);
    case.project.write(
        UP,
        "create table x (m mood default 'ok');\nalter type mood add value 'fine';\nalter type mood add value if not exists 'bad' before 'ok';\n\
         insert into x values ('fine'), ('bad');\nselect 1/0;",
    );
    case.says("kmig up", 1, &["002_x/up.sql:5:1", "22012", "statement 3"]);
    assert_eq!(case.sql("select count(*) from x"), "0");
    case.project.write(
        UP,
        "create table x (m mood default 'ok');\nalter type mood add value 'fine';\nalter type mood add value if not exists 'bad' before 'ok';\n\
         insert into x values ('fine'), ('bad');\nselect 1/1;",
    );
    case.run("kmig up", 0);
    assert_eq!(
        case.sql("select string_agg(m::text, ',' order by m) from x"),
        "bad,fine"
    );
}

#[test]
fn what_failed_may_be_mended_and_what_ran_may_not() {
    if !Server::available() {
        return;
    }
    // A bare statement that is wrong, and one that is no bare statement behind one that is.
    for (wrong, mended) in [
        (
            "create unique index concurrently t_a on t (a);",
            "create index concurrently t_a2 on t (a);",
        ),
        (
            "create index concurrently t_a on t (oops);",
            "create index concurrently t_a2 on t (a);",
        ),
        (
            "create index concurrently t_a2 on t (a);\ninsert into t values (oops);",
            "create index concurrently t_a2 on t (a);\ninsert into t values (5);",
        ),
        (
            "vacuum t (oops);",
            "vacuum analyze t (a); create index concurrently t_a2 on t (a);",
        ),
        (
            "create index concurrently t_a2 on t (a);\ninsert into t values (oops);",
            "create index concurrently t_a2 on t (a);",
        ),
    ] {
        let case = based();
        let allow = "-- kmig:allow unique-index because the test wants it\n";
        let up = |first: &str, rest: &str| {
            case.project.write(
                UP,
                &format!("create table {first} ();\nalter table t add c int;\n{allow}{rest}\n"),
            )
        };
        up("x", wrong);
        case.says("kmig up", 1, &["002_x/up.sql:", "mend"]);
        up("y", mended);
        case.says("kmig up", 8, &["core/002_x", "it had run already"]);
        up("x", mended);
        case.run("kmig up", 0);
        assert_eq!(case.sql("select indisvalid from pg_index where indexrelid = 't_a2'::regclass; select to_regclass('t_a') is null"), "t\nt", "{wrong}");
        up("x", wrong);
        case.says("kmig up", 8, &["core/002_x", "edited after it ran"]);
        up("x", mended);
        case.run("kmig check --db", 0);
    }
}

#[test]
fn a_half_run_part_is_taken_back() {
    if !Server::available() {
        return;
    }
    let case = based();
    case.project.write(UP, "create table x (a int);");
    case.project.write(
        "migrations/core/002_x/backfill.sql",
        "insert into x select 1 where not exists (select from x);\nupdate x set a = oops where a is null;",
    );
    case.project
        .write("migrations/core/002_x/finish.sql", "drop table t;");
    // It fails in its first try: the members are marked, and what they ran of the backfill is sealed only in part.
    case.project.write(
        "migrations/core/002_x/undo.sql",
        "drop table x;\ndrop table nowhere, t;",
    );
    case.says("kmig up", 1, &["backfill.sql:2:18"]);
    let mut reader = Hold::new(&case, "select from x");
    case.says(
        "kmig undo -y --assume-gone --reason test --lock-timeout 50ms --ddl-deadline 0",
        1,
        &["undo.sql:1:1"],
    );
    reader.end();
    case.run("kmig undo -y --assume-gone --reason test", 0);
    assert_eq!(
        case.sql("select to_regclass('x') is null, to_regclass('t') is not null"),
        "t|t"
    );
}
