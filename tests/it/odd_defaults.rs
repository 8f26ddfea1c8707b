//! A server, a database or a role may have odd defaults: kmig comes to the same result as with the usual ones.

use crate::support::case::{Case, EMPTY, expect};
use crate::support::server::Server;

/// An upgrade with a bit of everything that a default could spoil.
const FILES: [(&str, &str); 9] = [
    EMPTY,
    (
        "migrations/core/001_base/up.sql",
        "create table app.t (id int primary key, a text, at timestamptz);\n\
         insert into app.t values (1, 'back\\slash', '2024-02-01 12:00+00'), (2, 'größe', '2024-02-02 12:00+00');\n\
         create table app.days (d date default '2024-03-04');",
    ),
    (
        "migrations/core/002_more/up.sql",
        "alter table app.t add b text;\ncreate function app.f() returns text language sql as $$ select 'I'::text $$;",
    ),
    (
        "migrations/core/002_more/backfill.sql",
        "update app.t set b = lower(a) where b is null;\n-- kmig:allow unguarded-backfill because the test wants rows of its own\ncopy app.days from stdin;\n2024-05-06\n\\.\n",
    ),
    (
        "migrations/core/002_more/finish.sql",
        "alter table app.t drop a;",
    ),
    (
        "migrations/core/003_index/up.sql",
        "create index concurrently t_b on app.t (b);\ncreate type app.e as enum ('x');\nalter type app.e add value 'y';\ncreate table app.u (e app.e default 'y');",
    ),
    (
        "migrations/core/003_index/check.sql",
        "select 1 where false",
    ),
    (
        "migrations/core/003_index/ready.sql",
        "select * from app.t where b is null",
    ),
    ("migrations/core/003_index/finish.sql", "drop table app.u;"),
];

/// What every run must have made of it.
const RESULT: &str = "select string_agg(id || b, ',' order by id) from app.t; select count(*) from app.days; \
     select indisvalid from pg_index where indexrelid = 'app.t_b'::regclass; \
     select count(*), count(*) filter (where state = 'executed') from kmig.schema_meta; \
     select string_agg(n.nspname || '.' || c.relname, ' ' order by n.nspname, c.relname) from pg_class c \
     join pg_namespace n on n.oid = c.relnamespace where relkind = 'r' and n.nspname !~ '^(pg_|information)'";

/// Bootstraps 001, then upgrades and finishes the rest, as the role, and gives what has come of it.
fn upgrade(case: &Case, role: &str, what: &str) -> String {
    let (port, database) = (case.server.port(), &case.database);
    let url = format!("postgres://{role}@127.0.0.1:{port}/{database}");
    let run = |line: &str, code: i32| {
        let run = case.project.kmig(line.split(' '));
        let output = run.env("KMIG_URL", &url).env("KMIG_SCHEMA", "kmig").run();
        expect(&format!("{line} with {what}"), output, code, &[])
    };
    for later in ["002_more", "003_index"] {
        case.project.rename(
            &format!("migrations/core/{later}"),
            &format!("later/{later}"),
        );
    }
    run("bootstrap", 0);
    for later in ["002_more", "003_index"] {
        case.project.rename(
            &format!("later/{later}"),
            &format!("migrations/core/{later}"),
        );
    }
    run("up", 0);
    run("status --exit-code", 4);
    run("finish -y --assume-gone --reason test", 0);
    run("status --exit-code", 0);
    run("check --db", 0);
    case.sql(RESULT)
}

/// A database made by this SQL, with the schemas and a role that owns everything.
fn prepared(database_options: &str) -> (Case, String) {
    let mut case = Case::new(&FILES);
    if !database_options.is_empty() {
        let other = format!("{}_odd", case.database);
        case.server.psql(
            "postgres",
            &format!("create database {other} template template0 {database_options}"),
        );
        case.database = other;
    }
    let role = format!("owner_{}", case.database);
    case.sql(&format!(
        "create role {role} login; alter database {} owner to {role}; \
         create schema app authorization {role}; create schema kmig authorization {role}; \
         create schema decoy authorization {role}; create table decoy.t (id int); create table decoy.schema_meta (id int); \
         create table decoy.days (d int);",
        case.database
    ));
    (case, role)
}

#[test]
fn odd_defaults_of_a_role_change_nothing() {
    if !Server::available() {
        return;
    }
    let (usual, role) = prepared("");
    let wanted = upgrade(&usual, &role, "the usual defaults");
    assert!(
        wanted.starts_with("1back\\slash,2größe\n1\nt\n3|3\n"),
        "{wanted}"
    );
    for odd in [
        "search_path = ''",
        "search_path = '$user'",
        "search_path = decoy, app",
        "search_path = app",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_read_only = on",
        "default_transaction_deferrable = on",
        "standard_conforming_strings = off",
        "backslash_quote = off",
        "client_encoding = 'LATIN1'",
        "client_encoding = 'SQL_ASCII'",
        "DateStyle = 'German, DMY'",
        "IntervalStyle = 'sql_standard'",
        "TimeZone = 'Pacific/Kiritimati'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "row_security = off",
        "synchronous_commit = remote_apply",
        "bytea_output = escape",
        "quote_all_identifiers = on",
        "check_function_bodies = off",
        "extra_float_digits = -15",
        "plan_cache_mode = force_generic_plan",
        "session_replication_role = replica",
        "client_min_messages = debug5",
        "array_nulls = off",
        "xmloption = document",
    ] {
        let (case, role) = prepared("");
        case.sql(&format!("alter role {role} set {odd}"));
        assert_eq!(upgrade(&case, &role, odd), wanted, "{odd}");
    }
}

#[test]
fn odd_defaults_of_a_database_change_nothing() {
    if !Server::available() {
        return;
    }
    for (options, odd) in [
        ("encoding 'LATIN1' locale 'C'", "client_encoding = 'LATIN1'"),
        ("", "role = 'pg_monitor'"),
    ] {
        let (case, role) = prepared(options);
        if odd.starts_with("role") {
            // The role that the session takes on at login is the one that owns.
            let login = format!("login_{role}");
            case.sql(&format!("create role {login} login; grant {role} to {login}; alter role {login} set role = '{role}'"));
            let result = upgrade(&case, &login, odd);
            assert!(
                result.starts_with("1back\\slash,2größe\n1\nt\n3|3\n"),
                "{odd}: {result}"
            );
            assert_eq!(
                case.sql("select distinct relowner::regrole::text from pg_class where relnamespace in ('app'::regnamespace, 'kmig'::regnamespace)"),
                role
            );
            continue;
        }
        case.sql(&format!("alter database {} set {odd}", case.database));
        let result = upgrade(&case, &role, odd);
        assert!(result.contains("1\nt\n3|3\n"), "{odd}: {result}");
        // psql speaks LATIN1 here; the server itself says what it has.
        assert_eq!(
            case.sql("select octet_length(b), ascii(substr(b, 3, 1)) from app.t where id = 2"),
            "5|246"
        );
        // A character that the database cannot hold is an error at its place, though the server cannot even read
        // the string in which the statement travels with others.
        for name in ["004_fine", "005_smile", "006_after"] {
            let text = format!(
                "create table app.\"{name}\" ();\ninsert into app.t values (3, '2024-02-03', 'ü☺');"
            );
            let text = if name == "005_smile" {
                text
            } else {
                text.replace("'ü☺'", "'ü'")
                    .replace("(3,", if name == "004_fine" { "(4," } else { "(6," })
            };
            case.project
                .write(&format!("migrations/core/{name}/up.sql"), &text);
        }
        let up = || {
            let run = case.project.kmig(["up"]).env("KMIG_SCHEMA", "kmig");
            run.env("KMIG_URL", case.server.url(&case.database)).run()
        };
        expect(
            "a smile",
            up(),
            1,
            &[
                "005_smile/up.sql:2:1",
                "22P05",
                "one step before it is done",
            ],
        );
        let tables = "select string_agg(relname, ' ' order by relname) from pg_class where relname ~ '^00._[a-z]*$'";
        assert_eq!(case.sql(tables), "004_fine");
        case.project.write(
            "migrations/core/005_smile/up.sql",
            "create table app.\"005_smile\" ();",
        );
        expect("no smile", up(), 0, &[]);
        assert_eq!(case.sql(tables), "004_fine 005_smile 006_after");
    }
}

/// Letters that fold otherwise in Turkish: a name compared after lower() would be lost. By ICU, which every build of the
/// server brings along, so that no locale of the system is needed.
#[test]
fn a_turkish_database_changes_nothing() {
    if !Server::available() {
        return;
    }
    let (case, role) =
        prepared("encoding 'UTF8' locale 'C' locale_provider icu icu_locale 'tr-TR'");
    assert_eq!(case.sql("select lower('I' collate \"tr-x-icu\")"), "ı");
    let result = upgrade(&case, &role, "tr_TR");
    assert!(
        result.starts_with("1back\\slash,2größe\n1\nt\n3|3\n"),
        "{result}"
    );
}

#[test]
fn timeouts_of_a_role_end_nothing() {
    if !Server::available() {
        return;
    }
    let (case, role) = prepared("");
    let url = case.server.url_as(&role, &case.database);
    let run = |line: &str, code: i32| {
        let run = case.project.kmig(line.split(' '));
        let output = run.env("KMIG_URL", &url).env("KMIG_SCHEMA", "kmig").run();
        expect(line, output, code, &[])
    };
    // Each kind of string that kmig sends has one that takes longer than the role may: alone, and shared.
    let slow = "pg_sleep(0.3)";
    case.project.write(
        "migrations/core/002_more/up.sql",
        &format!("alter table app.t add b text;\nselect {slow};"),
    );
    case.project.write(
        "migrations/core/002_more/backfill.sql",
        &format!("update app.t set b = a from (select {slow}) s where b is null;"),
    );
    case.project.write(
        "migrations/core/003_index/check.sql",
        &format!("select 1 from {slow} where false"),
    );
    case.project.write(
        "migrations/core/003_index/up.sql",
        &format!("create table app.u as select 1 from {slow};"),
    );
    case.sql(&format!(
        "alter role {role} set statement_timeout = '100ms'; alter role {role} set idle_in_transaction_session_timeout = '1ms'"
    ));
    run("bootstrap", 0);
    // The first look at the database has not even a millisecond for certain.
    case.sql(&format!("alter role {role} set statement_timeout = '1ms'"));
    for _ in 0..10 {
        run("status --exit-code", 0);
        run("up", 0);
    }
}
