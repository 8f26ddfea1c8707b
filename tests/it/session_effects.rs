//! What a user's statement does to the session ends with its part, and a resumed part has it again (traps P5, P6, P12, P13).

use crate::support::case::{Case, EMPTY, Hold};
use crate::support::server::Server;

const UP: &str = "migrations/core/002_x/up.sql";

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create schema other; create table other.t (a int); create table t (a int);",
);

#[test]
fn settings_do_not_leak_into_the_next_part() {
    if !Server::available() {
        return;
    }
    // The statement that changes the session, in a migration of its own or in a backfill.
    for (number, leak) in [
        "set search_path = other",
        "set role ROLE",
        "set session authorization ROLE",
        "select set_config('search_path', 'other', false)",
        "select pg_catalog.set_config('search_path', 'other', false), set_config('role', 'ROLE', false)",
        "do $$ begin perform set_config('search_path', 'other', false); end $$",
        "do $$ begin set search_path = other; set role ROLE; end $$",
        "create temp table made (a int)",
        "create temp table t (a int)",
        "prepare made as select 1",
        "set local search_path = other",
        "set constraints all deferred",
        "set default_transaction_read_only = on",
        "set statement_timeout = '1ms'",
        "set lock_timeout = '1ms'",
        "set datestyle = 'German'",
        "listen made",
        "select pg_advisory_lock(4711)",
        "deallocate all",
        "reset all",
        "reset role",
        "unlisten *",
        "close all",
        "declare made cursor with hold for select 1",
    ]
    .iter()
    .enumerate()
    {
        let case = Case::new(&[EMPTY, BASE]);
        let role = format!("leak_{}", case.database);
        case.sql(&format!("create role {role}; grant create on schema public to {role}"));
        let leak = leak.replace("ROLE", &role);
        case.run("kmig bootstrap", 0);
        let allowed: String = ["session-role", "not-understood", "denied-call"]
            .map(|rule| format!("-- kmig:allow {rule} because test\n"))
            .concat();
        case.project.write(UP, &format!("{allowed}{leak};\n"));
        case.project.write(
            "migrations/core/003_seen/up.sql",
            "create table made (a int); insert into t values (1);\n\
             create table seen as select current_user::text as who, session_user::text as login, current_schema()::text as home,\n\
             current_setting('datestyle') as dates, (select count(*) from pg_prepared_statements where from_sql) as prepared,\n\
             (select count(*) from pg_cursors where name = 'made') as cursors, (select count(*) from pg_listening_channels()) as channels,\n\
             (select count(*) from pg_locks where locktype = 'advisory' and objid = 4711) as locks, pg_sleep(0.05)::text as slept;",
        );
        case.run("kmig up", 0);
        assert_eq!(
            case.sql("select * from public.seen; select count(*) from public.t; select to_regclass('public.made') is not null"),
            "postgres|postgres|public|ISO, MDY|0|0|0|0|\n1\nt",
            "{number}: {leak}"
        );
        assert_eq!(
            case.sql("select distinct relowner::regrole::text from pg_class where relnamespace = 'public'::regnamespace"),
            "postgres",
            "{leak}"
        );
    }
}

#[test]
fn what_a_cut_part_would_lose_is_refused() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, BASE]);
    case.run("kmig bootstrap", 0);
    let before = case.picture();
    for (lost, says) in [
        ("create temp table x (a int)", "a temporary object"),
        ("create table pg_temp.x (a int)", "a temporary object"),
        ("select 1 into temp x", "temporary"),
        ("prepare x as select 1", "PREPARE"),
        ("declare x cursor with hold for select 1", "WITH HOLD"),
        ("set local search_path = other", "SET LOCAL"),
        ("discard all", "DISCARD"),
        ("discard temp", "DISCARD"),
        (
            "set standard_conforming_strings = off",
            "standard_conforming_strings",
        ),
        ("set names 'LATIN1'", "client_encoding"),
        (
            "select set_config('client_encoding', 'LATIN1', false)",
            "client_encoding",
        ),
        ("begin isolation level serializable", "transaction"),
        ("set transaction read only", "transaction"),
    ] {
        case.project.write(
            UP,
            &format!("create index concurrently i on t (a);\n{lost};\n"),
        );
        case.says("kmig up", 2, &["002_x/up.sql:2:", says, "nothing was run"]);
    }
    assert_eq!(case.picture(), before);
}

#[test]
fn a_deferred_constraint_fails_at_its_part() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        EMPTY,
        (
            "migrations/core/001_base/up.sql",
            "create table p (id int primary key); create table c (p int references p deferrable initially deferred);",
        ),
    ]);
    case.run("kmig bootstrap", 0);
    // Alone, in a string that several migrations share, and where statements are sent one by one.
    for extra in ["", "select 1;\n"] {
        case.project
            .write("migrations/core/002_a/up.sql", "create table a ();");
        case.project.write(
            "migrations/core/003_b/up.sql",
            &format!("create table b ();\n{extra}insert into c values (7);\n"),
        );
        case.project
            .write("migrations/core/004_c/up.sql", "create table d ();");
        case.says(
            "kmig up",
            1,
            &[
                "003_b/up.sql:",
                "23503",
                "Key (p)=(7)",
                "rolled back",
                "kmig up",
            ],
        );
        assert_eq!(
            case.sql("select to_regclass('a') is not null, to_regclass('b') is null, to_regclass('d') is null, (select count(*) from c)"),
            "t|t|t|0"
        );
    }
    case.project.write(
        "migrations/core/003_b/up.sql",
        "create table b ();\ninsert into c values (7); insert into p values (7);",
    );
    case.run("kmig up", 0);
    case.run("kmig status --exit-code", 0);
}

#[test]
fn a_lock_given_away_lets_nobody_in() {
    if !Server::available() {
        return;
    }
    // What gives every advisory lock away: a query, a block, and a function in a plain statement.
    for (name, away) in [
        (
            "query",
            "-- kmig:allow denied-call because test\nselect pg_advisory_unlock_all();",
        ),
        (
            "block",
            "-- kmig:allow denied-call because test\ndo $$ begin perform pg_advisory_unlock_all(); end $$;",
        ),
        (
            "function",
            "-- kmig:allow unknown-call because test\ninsert into t select length(away()::text);",
        ),
    ] {
        let case = Case::new(&[
            EMPTY,
            (
                "migrations/core/001_base/up.sql",
                "create table t (a int); create table gate ();\n\
                 create function away() returns void language sql as 'select pg_advisory_unlock_all()';",
            ),
        ]);
        case.run("kmig bootstrap", 0);
        case.project.write("migrations/core/002_away/up.sql", away);
        // A transaction, and a build that is in none, each held up until the other executor has tried.
        case.project.write(
            "migrations/core/003_held/up.sql",
            "select count(*) from gate;\ncreate index concurrently t_a on t (a);",
        );
        let mut gate = Hold::new(&case, "lock table gate");
        let mut writer = Hold::new(&case, "insert into t values (1)");
        let first = case.kmig("kmig up --lock-timeout 60s").start();
        for (hold, waits) in [
            (
                &mut gate,
                "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and application_name like 'kmig%'",
            ),
            (
                &mut writer,
                "select count(*) > 0 from pg_stat_progress_create_index where datname = current_database() and phase like 'waiting for writers%'",
            ),
        ] {
            while case.sql(waits) != "t" {}
            case.says(
                "kmig up --lock-wait 0s",
                6,
                &["another executor holds the lock"],
            );
            hold.end();
        }
        let output = first.wait();
        assert_eq!(output.code, 0, "{name}: {output}");
        assert_eq!(
            case.sql("select indisvalid from pg_index where indexrelid = 't_a'::regclass"),
            "t"
        );
    }
}

#[test]
fn a_resumed_part_has_its_settings_again() {
    if !Server::available() {
        return;
    }
    for set in [
        "set search_path = other",
        "select pg_catalog.set_config('search_path', 'other', false)",
        "set session search_path to other",
    ] {
        let case = Case::new(&[EMPTY, BASE]);
        case.run("kmig bootstrap", 0);
        case.project.write(
            UP,
            &format!(
                "{set};\ncreate table made (a int);\ncreate index concurrently t_a on t (a);\n\
                 create index concurrently made_a on made (a);\ninsert into t values (7);\n"
            ),
        );
        // A writer holds the build up, its backend is ended, and so ends kmig.
        let mut writer = Hold::new(&case, "insert into other.t values (1)");
        let first = case.kmig("kmig up").start();
        let waits = "select count(*) > 0 from pg_stat_progress_create_index where datname = current_database() and phase like 'waiting for writers%'";
        while case.sql(waits) != "t" {}
        first.kill();
        case.sql("select pg_terminate_backend(pid, 60000) from pg_stat_progress_create_index where datname = current_database()");
        writer.end();
        assert_eq!(
            case.sql("select indisvalid from pg_index where indexrelid = 'other.t_a'::regclass"),
            "f"
        );
        case.says("kmig status --exit-code", 5, &["core/002_x", "kmig up"]);
        case.says("kmig up", 0, &["002_x/up.sql:3:1", "run again"]);
        assert_eq!(
            case.sql("select indexrelid::regclass, indrelid::regclass, indisvalid from pg_index where indexrelid::regclass::text ~ '_a$' order by indexrelid::regclass::text; select count(*) from other.t; select count(*) from public.t"),
            "other.made_a|other.made|t\nother.t_a|other.t|t\n2\n0",
            "{set}"
        );
    }
}
