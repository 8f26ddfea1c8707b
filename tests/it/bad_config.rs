//! kmig.toml and the environment: what is wrong is told at its place, and what wins is what the contract says.

use crate::support::case::{Case, document, expect};
use crate::support::kmig::project;
use crate::support::server::Server;

const GOOD: (&str, &str) = ("migrations/core/001_good/up.sql", "create table good ();");

#[test]
fn a_bad_kmig_toml_is_refused_at_its_place() {
    if !Server::available() {
        return;
    }
    let long = "x".repeat(44);
    // The text of kmig.toml, and what must be said of it.
    let cases: &[(&str, &[&str])] = &[
        (
            "ulr = \"x\"",
            &["kmig.toml:1:1", "unknown field `ulr`", "^^^"],
        ),
        (
            "[app]\nname = \"a\"\nversoin = \"1\"",
            &["kmig.toml:3:1", "versoin", "^"],
        ),
        (
            "[subsystem.core]\ndepends = []",
            &["kmig.toml:2:1", "depends"],
        ),
        ("[oops]\n", &["kmig.toml:1:2", "oops"]),
        ("# größe\napp = \"é\" ; x", &["kmig.toml:2:11", "^"]),
        (
            "[app]\nversion = 3",
            &["kmig.toml:2:11", "expected a string"],
        ),
        (
            "migrations = [\"a\"]",
            &["kmig.toml:1:14", "expected a string"],
        ),
        (
            "url = \"a\"\nurl = \"b\"",
            &["kmig.toml:2:1", "duplicate key"],
        ),
        ("url = \"a", &["kmig.toml:1:9"]),
        (
            "[postgres]\nlock_timeout = \"10\"",
            &[
                "postgres.lock_timeout",
                "kmig.toml:2:16",
                "500ms, 10s, 5min or 1h",
            ],
        ),
        (
            "[postgres]\nddl_deadline = \"-1s\"",
            &[
                "postgres.ddl_deadline",
                "kmig.toml:2:16",
                "no length of time",
            ],
        ),
        (
            "[app]\nversion = \"three\"",
            &["app.version", "kmig.toml:2:11", "no version"],
        ),
        (
            "[app]\nupgrade_from = \"2.x\"",
            &["app.upgrade_from", "kmig.toml:2:16", "no version"],
        ),
        (
            "[app]\nname = \"größe\"",
            &["app.name", "kmig.toml:2:8", "not plain ASCII"],
        ),
        (
            "[app]\nname = \"a/b\"",
            &["app.name", "neither blank nor /"],
        ),
        (
            "[app]\nname = \"LONG\"",
            &["app.name", "kmig.toml:2:8", "less than 20 bytes"],
        ),
        ("table = \"\"", &["table", "kmig.toml:1:9", "empty"]),
        ("table = \"LONGxxxxxxxxxxxx\"", &["table", "too long"]),
        ("table = \"a\\u0000b\"", &["table", "NUL"]),
        (
            "schema = \"LONGxxxxxxxxxxxxxxxxxxxx\"",
            &["schema", "longer than 63 bytes"],
        ),
        ("schema = \"a\\u0000b\"", &["schema", "NUL"]),
        (
            "[gate]\nwindow = \"soon\"",
            &["gate.window", "kmig.toml:2:10", "no length of time"],
        ),
    ];
    let case = Case::new(&[GOOD]);
    for (text, says) in cases {
        let text = text.replace("LONG", &long);
        case.project.write("kmig.toml", &text);
        for line in ["kmig config", "kmig check", "kmig bootstrap", "kmig status"] {
            let kmig = case.kmig(line).env("KMIG_GATE_WINDOW", "");
            expect(&text, kmig.run(), 2, says);
        }
    }
    let bytes = case.project.path().join("kmig.toml");
    std::fs::write(&bytes, b"url = \"\xFF\"").expect("write kmig.toml");
    case.says("kmig status", 2, &["kmig.toml", "UTF-8"]);
    case.project.remove("kmig.toml");
    case.project.write("kmig.toml/inner", "");
    case.says("kmig status", 2, &["kmig.toml", "cannot be read"]);
    assert_eq!(case.picture(), "");
}

#[test]
fn a_bad_value_of_the_environment_is_named() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[("kmig.toml", "[app]\nversion = \"1.0\""), GOOD]);
    for (name, value, says) in [
        ("KMIG_APP_VERSION", "new", "app.version"),
        ("KMIG_APP_NAME", "größe", "app.name"),
        ("KMIG_TABLE", &*"x".repeat(60), "too long"),
        ("KMIG_POSTGRES_LOCK_TIMEOUT", "5", "no length of time"),
    ] {
        let output = case.kmig("kmig bootstrap").env(name, value).run();
        expect(name, output, 2, &[name, says]);
    }
    for (line, says) in [
        (
            "kmig up --lock-timeout soon",
            &["--lock-timeout", "no length of time"][..],
        ),
        ("kmig up --ddl-deadline 5", &["--ddl-deadline"]),
        ("kmig up --lock-wait x", &["--lock-wait"]),
        ("kmig up --to nothing", &["nothing"]),
        ("kmig up --assume-gone", &["--reason"]),
        (
            "kmig -c nowhere.toml status",
            &["nowhere.toml", "cannot be read"],
        ),
        ("kmig status --url ''", &["--url"]),
        ("kmig status --url bolt://x/y", &["bolt://", "postgres://"]),
        ("kmig status --url cassandra://h", &["keyspace"]),
    ] {
        case.says(line, 2, says);
    }
    assert_eq!(case.picture(), "");
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        (
            "kmig.toml",
            "url = \"postgres://file@h/d\"\n[app]\nversion = \"1.0\"\n[postgres]\nlock_timeout = \"1s\"",
        ),
        GOOD,
    ]);
    let value = |run: crate::support::kmig::Kmig, key: &str| {
        let output = expect(key, run.run(), 0, &[]);
        let document = document(key, &output);
        let values = document["values"].as_array().expect("values").clone();
        let found = values.into_iter().find(|value| value["key"] == key);
        let found = found.unwrap_or_else(|| panic!("no {key} in {output}"));
        (found["value"].clone(), found["origin"].to_string())
    };
    let plain = || case.project.kmig(["config", "--json"]);
    let url = |run| value(run, "url");
    assert_eq!(url(plain()).0, "postgres://file@h/d");
    let database = |run: crate::support::kmig::Kmig| run.env("DATABASE_URL", "postgres://db@h/d");
    assert_eq!(url(database(plain())).0, "postgres://file@h/d");
    let env = |run: crate::support::kmig::Kmig| run.env("KMIG_URL", "postgres://env@h/d");
    let (shown, origin) = url(env(database(plain())));
    assert_eq!(shown, "postgres://env@h/d");
    assert!(origin.contains("KMIG_URL"), "{origin}");
    let flag = |run: crate::support::kmig::Kmig| run.args(["--url", "postgres://flag@h/d"]);
    assert_eq!(url(flag(env(plain()))).0, "postgres://flag@h/d");
    // An empty variable is none.
    assert_eq!(url(plain().env("KMIG_URL", "")).0, "postgres://file@h/d");
    let version = value(plain().env("KMIG_APP_VERSION", "2.0"), "app.version");
    assert_eq!(version.0, "2.0");
    assert_eq!(
        value(plain().env("KMIG_APP_VERSION", ""), "app.version").0,
        "1.0"
    );
    assert_eq!(value(plain(), "postgres.lock_timeout").0, "1s");
    assert_eq!(value(plain(), "postgres.ddl_deadline").0, "5min");
    // Without a file DATABASE_URL serves, and an empty one does not.
    case.project.remove("kmig.toml");
    assert_eq!(url(database(plain())).0, "postgres://db@h/d");
    assert_eq!(
        url(plain().env("DATABASE_URL", "")).0,
        serde_json::Value::Null
    );
    // It is no word of `kmig config` alone: the run goes there.
    let run = case.project.kmig(["bootstrap"]);
    let run = run.env("DATABASE_URL", case.server.url(&case.database));
    expect("DATABASE_URL", run.run(), 0, &[]);
    assert_eq!(case.sql("select to_regclass('good') is not null"), "t");
}

#[test]
fn relative_paths_start_at_kmig_toml() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        ("other/place/kmig.toml", "migrations = \"../files\""),
        (
            "other/files/core/001_there/up.sql",
            "create table there ();",
        ),
        ("other/files/core/002_wrong/up.sql", "select 'x;"),
        ("migrations/core/001_here/up.sql", "create table here ();"),
    ]);
    for config in ["other/place/kmig.toml", "other/place"] {
        let line = format!("kmig -c {config} check");
        case.says(&line, 2, &["files/core/002_wrong/up.sql:1:8"]);
    }
    case.project.remove("other/files/core/002_wrong");
    case.run("kmig -c other/place bootstrap", 0);
    assert_eq!(
        case.sql("select to_regclass('there') is not null, to_regclass('here') is null"),
        "t|t"
    );
    let absent = project(&[("kmig.toml", "migrations = \"gone\"")]);
    let output = absent.kmig(["check"]).run();
    expect(
        "no folder",
        output,
        2,
        &["gone", "cannot be read", "kmig init"],
    );
}

#[test]
fn the_tables_are_called_as_they_should_be() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        (
            "kmig.toml",
            "table = \"my \\\"Meta\\\" \\\\ ' größe\"\nschema = \"Odd Schema\"",
        ),
        GOOD,
    ]);
    case.says(
        "kmig bootstrap",
        1,
        &["there is no schema \"Odd Schema\"", "CREATE SCHEMA"],
    );
    assert_eq!(case.picture(), "");
    case.sql("create schema \"Odd Schema\"");
    case.run("kmig bootstrap", 0);
    case.run("kmig bootstrap", 0);
    case.run("kmig status --exit-code", 0);
    assert_eq!(
        case.sql("select string_agg(relname, ',' order by relname) from pg_class where relkind = 'r' and relnamespace = '\"Odd Schema\"'::regnamespace"),
        "my \"Meta\" \\ ' größe,my \"Meta\" \\ ' größe_history,my \"Meta\" \\ ' größe_journal"
    );
}
