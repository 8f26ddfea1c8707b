//! No password is ever printed or stored: not on success, not in errors, not in logs, not on the server.

use crate::support::case::{Case, EMPTY};
use crate::support::kmig::Kmig;
use crate::support::server::{Server, ServerOptions};

/// Every command, with what makes each fail as well as pass.
const LINES: [&str; 24] = [
    "status",
    "list",
    "config",
    "check",
    "check --db",
    "bootstrap",
    "bootstrap --dry-run",
    "up",
    "up --dry-run",
    "up --bootstrap",
    "up --to core/9",
    "finish",
    "finish -y --assume-gone --reason x",
    "undo -y",
    "plan up",
    "plan finish",
    "plan undo",
    "plan bootstrap",
    "accept core/001_good --reason x",
    "accept core/7 --reason x",
    "new thing",
    "completions bash",
    "man",
    "nonsense",
];

/// A password in two spellings: as it is, and as a URL has it.
const SECRET: &str = "Hunter2@zebra";
const ENCODED: &str = "Hunter2%40zebra";

fn clean(what: &str, text: &str) {
    for secret in [SECRET, ENCODED, "Hunter2", "zebra"] {
        assert!(!text.contains(secret), "{what} shows {secret}:\n{text}");
    }
}

#[test]
fn no_password_is_printed_or_stored() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions {
        hba: vec!["host all lena 127.0.0.1/32 scram-sha-256".to_owned()],
        conf: vec![
            "log_connections = on".to_owned(),
            "log_statement = all".to_owned(),
        ],
        ..ServerOptions::default()
    });
    server.psql(
        "postgres",
        &format!("set log_statement = none; create role lena login superuser password '{SECRET}'"),
    );
    let seen = server.log().len();
    let at = format!("127.0.0.1:{}", server.port());
    // How the password comes to kmig; the last of each kind is a wrong one, or no URL at all.
    let good = format!("postgres://lena:{ENCODED}@{at}/postgres");
    let pairs = format!(
        "host=127.0.0.1 port={} user=lena dbname=postgres password={SECRET}",
        server.port()
    );
    let none = format!("postgres://lena@{at}/postgres");
    let wrong = format!("postgres://lena:x{ENCODED}y@{at}/postgres");
    let ways: Vec<(&str, String)> = vec![
        ("flag", good.clone()),
        ("flag", pairs.clone()),
        ("KMIG_URL", good.clone()),
        ("DATABASE_URL", good.clone()),
        ("kmig.toml", good.clone()),
        ("PGPASSWORD", none.clone()),
        ("PGPASSFILE", none.clone()),
        ("flag", format!("{none}?password={ENCODED}")),
        ("flag", wrong.clone()),
        ("kmig.toml", wrong),
        (
            "flag",
            format!("postgres://lena:{SECRET}@{at}/postgres?nonsense=1"),
        ),
        (
            "flag",
            format!("postgres://lena:{SECRET}@{at}:99999/postgres"),
        ),
        (
            "flag",
            format!("postgres://lena:Hunter2/zebra@{at}/postgres"),
        ),
        ("flag", format!("postgres:/lena:{SECRET}@{at}/postgres")),
        ("flag", format!("lena:{SECRET}@{at}/postgres")),
        ("flag", format!("mysql://lena:{SECRET}@{at}/postgres")),
        ("flag", format!("cassandra://lena:{SECRET}@{at}/keyspace")),
        ("flag", format!("{pairs} oops")),
        ("flag", format!("password='{SECRET}")),
        ("kmig.toml", format!("{pairs} sslmode=odd")),
        ("PGPASSWORD", format!("{none}?sslmode=require")),
    ];
    let files = [
        EMPTY,
        (
            "migrations/core/001_good/up.sql",
            "create table if not exists good (a int); create index on good (a);",
        ),
        (
            "migrations/core/002_bad/up.sql",
            "create table bad (); select 1/0;",
        ),
        ("migrations/core/002_bad/finish.sql", "drop table bad;"),
    ];
    std::thread::scope(|scope| {
        for half in ways.chunks(ways.len().div_ceil(2)) {
            scope.spawn(move || {
                for (way, url) in half {
                    one_way(&files, way, url);
                }
            });
        }
    });
    // What the server has seen and keeps: its log, every row of every table of kmig, and its sessions.
    clean("the server's log", &server.log()[seen..]);
    for table in ["schema_meta", "schema_meta_journal", "schema_meta_history"] {
        let rows = server.psql(
            "postgres",
            &format!("set log_statement = none; select r from {table} r"),
        );
        assert!(!rows.is_empty(), "{table} is empty");
        clean(table, &rows);
    }
}

fn one_way(files: &[(&str, &str)], way: &str, url: &str) {
    let project = crate::support::kmig::project(files);
    let mut text = String::new();
    if way == "kmig.toml" {
        text = format!("url = \"{}\"\n", url.replace('"', "\\\""));
    }
    project.write(
        "kmig.toml",
        &format!(
            "{text}[gate]\npoolers = [\"{}\"]\n",
            url.replace('"', "\\\"")
        ),
    );
    let passfile = project.path().join("passfile");
    project.write("passfile", &format!("*:*:*:lena:{SECRET}\n"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&passfile, mode).expect("set permissions");
    // Each way meets each command, and each pair one of these.
    const MORE: [&str; 3] = ["", "--json", "-v -v"];
    for (number, line) in LINES.iter().enumerate() {
        for more in MORE.iter().skip((number + url.len()) % 3).take(1) {
            let words = [*line, *more].join(" ");
            let run: Kmig = project.kmig(words.split_whitespace());
            let run = match way {
                "flag" => run.args(["--url", url]),
                "KMIG_URL" | "DATABASE_URL" => run.env(way, url),
                "PGPASSWORD" => run.env("KMIG_URL", url).env(way, SECRET),
                "PGPASSFILE" => run.env("KMIG_URL", url).env(way, &passfile),
                _ => run,
            };
            let output = run.run();
            let what = format!("{words} ({way} {url})");
            assert!(!output.stderr.contains("panicked"), "{what}: {output}");
            clean(&what, &format!("{}{}", output.stdout, output.stderr));
        }
    }
}

/// While it works, a session shows nothing either, and neither does the list of processes beyond what was typed.
#[test]
fn a_session_shows_no_password() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        EMPTY,
        (
            "migrations/core/001_wait/up.sql",
            "create table t (); select pg_advisory_lock(1);",
        ),
    ]);
    let mut hold = crate::support::case::Hold::new(&case, "select pg_advisory_lock(1)");
    let url = case
        .server
        .url(&case.database)
        .replace("postgres@", &format!("postgres:{ENCODED}@"));
    let run = case.kmig("kmig bootstrap").env("KMIG_URL", url).start();
    let sessions = "from pg_stat_activity where application_name like 'kmig/%' and datname = current_database()";
    while case.sql(&format!(
        "select count(*) {sessions} and wait_event = 'advisory'"
    )) != "1"
    {}
    let shown = case.sql(&format!(
        "select application_name, query, usename {sessions}"
    ));
    assert!(shown.contains("kmig/"), "{shown}");
    clean("pg_stat_activity", &shown);
    hold.end();
    assert_eq!(run.wait().code, 0);
}
