//! Servers that cannot serve: each is told apart, with its code and what to do, and nothing is changed.

use crate::support::case::{Case, EMPTY, expect};
use crate::support::kmig::project;
use crate::support::server::{Server, ServerOptions};

const FILES: [(&str, &str); 2] = [
    EMPTY,
    ("migrations/core/001_good/up.sql", "create table good ();"),
];

/// Every command that opens the database.
const COMMANDS: [&str; 6] = [
    "bootstrap",
    "up",
    "finish -y",
    "undo -y",
    "status",
    "check --db",
];

#[test]
fn a_server_that_cannot_be_reached_is_told() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions {
        hba: vec![
            "host all lena 127.0.0.1/32 scram-sha-256".to_owned(),
            "host all stranger 127.0.0.1/32 reject".to_owned(),
        ],
        ..ServerOptions::default()
    });
    server.psql(
        "postgres",
        "create role lena login password 'right'; create role stranger login; create database closed; \
         revoke connect on database closed from public; create role few login connection limit 0",
    );
    let project = project(&FILES);
    let port = server.port();
    let at = |rest: &str| format!("postgres://{rest}");
    let cases: &[(String, i32, &[&str])] = &[
        (
            at(&format!("lena:wrong@127.0.0.1:{port}/postgres")),
            1,
            &["28P01", "check user and password"],
        ),
        (
            at(&format!("lena@127.0.0.1:{port}/postgres")),
            1,
            &["no password is set", "PGPASSWORD"],
        ),
        (
            at(&format!("postgres@127.0.0.1:{port}/nowhere")),
            1,
            &["3D000", "nowhere", "createdb"],
        ),
        (
            at(&format!("nobody@127.0.0.1:{port}/postgres")),
            1,
            &["28000", "nobody"],
        ),
        (
            at(&format!("stranger@127.0.0.1:{port}/postgres")),
            1,
            &["28000", "pg_hba.conf"],
        ),
        (
            at(&format!("few@127.0.0.1:{port}/postgres")),
            1,
            &["53300", "limit"],
        ),
        (
            at(&format!(
                "postgres@127.0.0.1:{port}/postgres?sslmode=require"
            )),
            1,
            &["TLS"],
        ),
        (
            at(&format!(
                "postgres@127.0.0.1:{port}/postgres?options=-cnonsense%3D1"
            )),
            1,
            &["42704", "nonsense"],
        ),
        (
            at("postgres@127.0.0.1:1/postgres"),
            1,
            &["127.0.0.1", "refused"],
        ),
        (
            at("postgres@no-such-host.invalid/postgres"),
            1,
            &["no-such-host.invalid"],
        ),
        ("host=/nowhere user=postgres".into(), 1, &["/nowhere"]),
        (at("postgres@[::1/x"), 2, &["IPv6"]),
        (at("postgres@127.0.0.1:port/x"), 2, &["port"]),
        (
            at("postgres@127.0.0.1/x?ssl_mode=require"),
            2,
            &["ssl_mode"],
        ),
        (
            "mysql://root@127.0.0.1/x".into(),
            2,
            &["mysql://", "postgres://"],
        ),
        ("cassandra://127.0.0.1/system_auth".into(), 2, &["keyspace"]),
        (
            format!("cassandra://127.0.0.1:{port}/shop"),
            1,
            &["no connection to Cassandra"],
        ),
        ("just words".into(), 2, &["key=value"]),
    ];
    for (url, code, texts) in cases {
        for command in ["bootstrap", "status"] {
            let output = project.kmig([command, "--url", url]).run();
            let output = expect(&format!("{command} {url}"), output, *code, texts);
            assert!(output.stderr.contains("next:"), "{url}: {output}");
        }
    }
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    server.stop_immediate();
    for command in COMMANDS {
        let line = format!("{command} --url {url}");
        let output = project.kmig(line.split(' ')).run();
        expect(&line, output, 1, &["refused", "nothing was run"]);
    }
}

#[test]
fn a_standby_is_read_and_not_written() {
    if !Server::available() {
        return;
    }
    let primary = Server::start(&ServerOptions::default());
    primary.create_database("app");
    let project = project(&FILES);
    let run = |server: &Server, line: &str| {
        let url = server.url("app");
        project.kmig(line.split(' ')).env("KMIG_URL", url).run()
    };
    expect("primary", run(&primary, "bootstrap"), 0, &[]);
    project.write("migrations/core/002_more/up.sql", "create table more ();");
    let standby = Server::standby(&primary);
    assert_eq!(standby.psql("app", "select pg_is_in_recovery()"), "t");

    expect(
        "status",
        run(&standby, "status"),
        0,
        &["core/002_more", "kmig up"],
    );
    expect("status", run(&standby, "status --exit-code"), 5, &[]);
    expect("list", run(&standby, "list"), 0, &[]);
    expect("plan", run(&standby, "plan up"), 0, &["create table more"]);
    expect(
        "dry run",
        run(&standby, "up --dry-run"),
        0,
        &["create table more"],
    );
    expect("check", run(&standby, "check --db"), 0, &[]);
    for line in ["up", "accept core/001_good --reason x"] {
        expect(
            line,
            run(&standby, line),
            1,
            &["standby", "nothing was run", "primary"],
        );
    }
    // Where there is nothing to do, a standby is no hindrance.
    expect(
        "finish",
        run(&standby, "finish"),
        0,
        &["Nothing is pending"],
    );
    primary.create_database("fresh");
    let fresh = || {
        let url = standby.url("fresh");
        project.kmig(["bootstrap"]).env("KMIG_URL", url).run()
    };
    while standby.try_psql("fresh", "select 1").is_err() {}
    expect("bootstrap", fresh(), 1, &["standby", "nothing was run"]);
    expect("primary", run(&primary, "up"), 0, &[]);
}

#[test]
fn rights_that_are_missing_are_named() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    let role = format!("poor_{}", case.database);
    case.sql(&format!(
        "create role {role} login; revoke create on schema public from public"
    ));
    let url = case.server.url_as(&role, &case.database);
    let poor = |line: &str| {
        case.project
            .kmig(line.split(' '))
            .env("KMIG_URL", &url)
            .run()
    };
    expect(
        "no right to make",
        poor("bootstrap"),
        1,
        &["42501", "GRANT CREATE", "nothing was run"],
    );
    assert_eq!(case.picture(), "");
    case.run("kmig bootstrap", 0);
    let before = case.picture();
    expect(
        "no right to read",
        poor("status"),
        1,
        &["42501", "SELECT", "schema_meta"],
    );
    expect("no right to read", poor("up"), 1, &["42501", "SELECT"]);
    case.sql(&format!(
        "grant select on schema_meta, schema_meta_journal, schema_meta_history to {role}"
    ));
    expect("reading is enough", poor("status"), 0, &["core/001_good"]);
    expect("reading is enough", poor("up"), 0, &["Nothing new"]);
    case.project
        .write("migrations/core/002_more/up.sql", "create table more ();");
    expect(
        "no right to write",
        poor("up"),
        1,
        &["42501", "permission denied", "schema_meta"],
    );
    assert_eq!(case.picture(), before);
    case.sql(&format!("revoke usage on schema public from public; grant usage on schema public to {role}; revoke usage on schema public from {role}"));
    expect("no right to the schema", poor("status"), 1, &["schema"]);
}

#[test]
fn tables_that_are_not_as_kmig_made_them_are_refused() {
    if !Server::available() {
        return;
    }
    // What is done to the database after a bootstrap, the code, and what is said.
    let cases: &[(&str, i32, &[&str])] = &[
        (
            "drop table schema_meta, schema_meta_journal, schema_meta_history; create table schema_meta (id int)",
            1,
            &["not kmig's", "table = "],
        ),
        (
            "drop table schema_meta, schema_meta_journal, schema_meta_history; create view schema_meta as select 1 as subsystem",
            1,
            &["not kmig's"],
        ),
        (
            "drop table schema_meta, schema_meta_journal, schema_meta_history; create sequence schema_meta",
            1,
            &["not kmig's"],
        ),
        (
            "drop table schema_meta",
            1,
            &["schema_meta\" is missing", "backup"],
        ),
        ("drop table schema_meta_journal", 1, &["damaged", "backup"]),
        ("drop table schema_meta_history", 1, &["schema_meta"]),
        ("truncate schema_meta_history", 1, &["damaged"]),
        (
            "alter table schema_meta drop column checksums",
            1,
            &["damaged", "column"],
        ),
        (
            "alter table schema_meta_journal drop column app_version",
            1,
            &["damaged"],
        ),
        (
            "alter table schema_meta drop constraint schema_meta_number_check, alter number type text; update schema_meta set number = 'x'",
            1,
            &["damaged", "number"],
        ),
        (
            "alter table schema_meta drop constraint schema_meta_state_check; update schema_meta set state = 'odd', finished_at = null",
            1,
            &["damaged", "state"],
        ),
        (
            "insert into schema_meta_history (version, name, applied_on, checksum) values (99, 'later', '', '')",
            9,
            &["format 99", "install a newer kmig"],
        ),
        (
            "insert into schema_meta_history (version, name, applied_on, checksum) values (99, 'later', '', ''); alter table schema_meta rename checksums to sums",
            9,
            &["format 99"],
        ),
    ];
    for (damage, code, texts) in cases {
        let case = Case::new(&FILES);
        case.run("kmig bootstrap", 0);
        case.sql(damage);
        case.project
            .write("migrations/core/002_more/up.sql", "create table more ();");
        let before = case.sql(crate::support::case::RELATIONS);
        for command in COMMANDS {
            let what = format!("{command} after {damage}");
            let output = case.kmig(&format!("kmig {command}")).run();
            let output = expect(&what, output, *code, texts);
            assert!(output.stderr.contains("next:"), "{what}: {output}");
        }
        assert_eq!(
            case.sql(crate::support::case::RELATIONS),
            before,
            "{damage}"
        );
    }
}

#[test]
fn a_column_of_another_is_no_damage() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    case.run("kmig bootstrap", 0);
    case.sql(
        "alter table schema_meta add note text; alter table schema_meta_journal add ticket int",
    );
    case.project
        .write("migrations/core/002_more/up.sql", "create table more ();");
    case.run("kmig up", 0);
    case.run("kmig status --exit-code", 0);
}

#[test]
fn a_schema_that_is_not_there_is_told() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    let with = |path: &str| {
        let url = format!(
            "{}?options=-csearch_path%3D{path}",
            case.server.url(&case.database)
        );
        case.project.kmig(["bootstrap"]).env("KMIG_URL", url).run()
    };
    expect(
        "none of the path",
        with("nowhere"),
        1,
        &["no current schema", "schema = "],
    );
    expect("an empty path", with("\"\""), 1, &["no current schema"]);
    let run = case
        .kmig("kmig bootstrap")
        .env("KMIG_SCHEMA", "nowhere")
        .run();
    expect(
        "the schema of kmig.toml",
        run,
        1,
        &["there is no schema \"nowhere\"", "CREATE SCHEMA"],
    );
    assert_eq!(case.picture(), "");
}
