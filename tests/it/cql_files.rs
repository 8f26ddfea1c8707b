//! Projects of .cql files: what can be done with them without a cluster, and files as they should not be.

use crate::support::case::{EMPTY, document, expect};
use crate::support::kmig::{Output, Project, project, words};

const URL: &str = "cassandra://127.0.0.1:1/app";

const GOOD: (&str, &str) = (
    "migrations/core/001_good/up.cql",
    "CREATE TABLE good (a int PRIMARY KEY);",
);

fn run(project: &Project, line: &str) -> Output {
    let words = words(line).expect("a command line").split_off(1);
    project.kmig(words).env("KMIG_URL", URL).run()
}

/// Name, part, its text, and what must be said of it.
type Refused = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const REFUSED: &[Refused] = &[
    (
        "an open string",
        "up",
        "USE k;\n  SELECT 'oops;\n",
        &["up.cql:2:10", "this string is never closed", "^"],
    ),
    (
        "an open name",
        "up",
        "SELECT \"oops;",
        &["up.cql:1:8", "quoted name is never closed"],
    ),
    (
        "an open body",
        "up",
        "SELECT $$oops;",
        &["up.cql:1:8", "$$ body is never closed"],
    ),
    (
        "an open comment",
        "up",
        "/* a */ /* SELECT 1;",
        &["up.cql:1:9", "comment is never closed"],
    ),
    (
        "behind other characters",
        "up",
        "/* größer */ SELECT 'é', 'oops;",
        &["up.cql:1:26", "never closed"],
    ),
    ("a NUL", "up", "SELECT a\0 FROM t", &["up.cql:1:9", "NUL"]),
    (
        "a letter of another alphabet",
        "up",
        "CREATE TABLE größe (a int PRIMARY KEY)",
        &["up.cql:1:16", "CQL has no \"ö\" here"],
    ),
    (
        "a bracket left open",
        "up",
        "CREATE TABLE t (a int PRIMARY KEY;",
        &["up.cql:1:16", "bracket is never closed"],
    ),
    (
        "a bracket too many",
        "up",
        "CREATE TABLE t (a int PRIMARY KEY));",
        &["up.cql:1:35", "this ) closes nothing"],
    ),
    (
        "a bind marker",
        "up",
        "INSERT INTO t (a) VALUES (?);",
        &["up.cql:1:27", "bind marker", "write the value itself"],
    ),
    (
        "a named bind marker",
        "up",
        "INSERT INTO t (a)\nVALUES (:a);",
        &["up.cql:2:9", "bind marker"],
    ),
    (
        "a batch never applied",
        "up",
        "BEGIN BATCH\n INSERT INTO t (a) VALUES (1);\n",
        &["up.cql:1:1", "no APPLY BATCH"],
    ),
    (
        "a batch never begun",
        "up",
        "INSERT INTO t (a) VALUES (1);\nAPPLY BATCH;",
        &["up.cql:2:1", "ends no BEGIN BATCH"],
    ),
    (
        "a transaction",
        "up",
        "BEGIN TRANSACTION; COMMIT TRANSACTION;",
        &["up.cql:1:1", "begins no BATCH"],
    ),
    (
        "COPY",
        "up",
        "COPY t (a) FROM 'x.csv';",
        &["up.cql:1:1", "COPY is a command of cqlsh", "kmig import"],
    ),
    (
        "SOURCE",
        "up",
        "SOURCE 'x.cql'\n",
        &[
            "up.cql:1:1",
            "SOURCE is a command of cqlsh",
            "put the statements themselves here",
        ],
    ),
    (
        "CONSISTENCY",
        "up",
        "\nconsistency QUORUM;",
        &[
            "up.cql:2:1",
            "CONSISTENCY is a command of cqlsh",
            "kmig.toml",
        ],
    ),
    (
        "DESCRIBE",
        "check",
        "DESCRIBE TABLES",
        &["check.cql:1:1", "DESCRIBE is a command of cqlsh"],
    ),
    (
        "USE",
        "up",
        "USE app;",
        &["up.cql:1:1", "USE changes the keyspace", "remove it"],
    ),
    (
        "a keyspace",
        "up",
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy'};",
        &["up.cql:1:1", "makes no keyspace", "kmig bootstrap"],
    ),
    (
        "a keyspace's end",
        "finish",
        "DROP KEYSPACE k;",
        &["finish.cql:1:1", "drops no keyspace"],
    ),
    (
        "LIST",
        "up",
        "LIST ROLES;",
        &["up.cql:1:1", "nobody reads the answer"],
    ),
    (
        "a mistake",
        "up",
        "CREATE TABEL t (a int PRIMARY KEY);",
        &[
            "up.cql:1:1",
            "does not understand this statement",
            "kmig:done-when",
        ],
    ),
    (
        "a `;` forgotten",
        "up",
        "CREATE TABLE t (a int PRIMARY KEY)\nCREATE TABLE u (a int PRIMARY KEY);",
        &["up.cql:1:1", "does not understand"],
    ),
    (
        "a check that writes",
        "check",
        "SELECT a FROM t;\nDELETE FROM t WHERE a = 1",
        &["check.cql:2:1", "only asks"],
    ),
    (
        "a ready part that makes",
        "ready",
        "CREATE TABLE t (a int PRIMARY KEY)",
        &["ready.cql:1:1", "only asks"],
    ),
    (
        "a backfill that makes",
        "backfill",
        "ALTER TABLE t ADD a int",
        &["backfill.cql:1:1", "a backfill part holds INSERT"],
    ),
    (
        "a backfill that deletes",
        "backfill",
        "BEGIN BATCH\nINSERT INTO t (a) VALUES (1);\nDELETE FROM t WHERE a = 2;\nAPPLY BATCH;",
        &["backfill.cql:1:1", "a backfill part holds INSERT"],
    ),
    (
        "a moving value",
        "up",
        "INSERT INTO t (a, b)\nVALUES (1, now());",
        &[
            "up.cql:2:12",
            "now() gives another value each time",
            "kmig:done-when",
        ],
    ),
    (
        "a counter",
        "backfill",
        "UPDATE t SET b = 'x', c = c + 1 WHERE a = 1;",
        &["backfill.cql:1:23", "counter"],
    ),
    (
        "a list that grows",
        "up",
        "UPDATE t SET l = l + ['x'] WHERE a = 1;",
        &["up.cql:1:14", "appends to a list"],
    ),
    (
        "an unknown directive",
        "up",
        "// kmig:alow x because y\nDROP TABLE t;",
        &["up.cql:1:1", "did you mean kmig:allow?"],
    ),
    (
        "a done-when that writes",
        "up",
        "-- kmig:done-when DELETE FROM t WHERE a = 1\nTRUNCATE t;",
        &["up.cql:1:1", "takes a SELECT"],
    ),
    (
        "SQL",
        "up",
        "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x');",
        &["up.cql:1:1", "does not understand"],
    ),
    (
        "kmig's own table",
        "finish",
        "-- kmig:done-when SELECT a FROM b\nTRUNCATE shop.schema_meta",
        &["002_x/finish.cql:2:1", "kmig's own table"],
    ),
    (
        "truncate",
        "finish",
        "TRUNCATE t",
        &["002_x/finish.cql:1:1", "TRUNCATE", "kmig:done-when"],
    ),
    (
        "condition",
        "up",
        "INSERT INTO t (a) VALUES (1) IF NOT EXISTS;\nUPDATE t SET b = 2 WHERE a = 1 IF b = 1",
        &["002_x/up.cql:2:1", "conditional", "kmig:done-when"],
    ),
];

#[test]
fn a_bad_file_is_refused_at_its_place() {
    let project = project(&[EMPTY, GOOD]);
    for (name, part, text, texts) in REFUSED {
        let path = format!("migrations/core/002_x/{part}.cql");
        project.write(&path, text);
        expect(name, run(&project, "kmig check"), 2, texts);
        project.remove("migrations/core/002_x");
    }
    // The same project without them is fine: nothing but the bad file was refused.
    expect(
        "none",
        run(&project, "kmig check"),
        0,
        &["1 migration, 1 statement"],
    );
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let project = project(&[
        EMPTY,
        GOOD,
        (
            "migrations/core/002_x/up.cql",
            "USE a; USE b;\nSELECT a FROM t;\nLIST USERS",
        ),
        (
            "migrations/core/003_y/up.cql",
            "SELECT a] FROM t; SELECT 'a",
        ),
        ("migrations/core/003_z/down.cql", ""),
        ("migrations/notes.cql", ""),
    ]);
    let output = run(&project, "kmig check --json");
    let document = document("check --json", &output);
    assert_eq!(output.code, 2, "{output}");
    let problems = document["error"]["problems"].as_array().expect("problems");
    let mut places: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = &problem["place"];
            let path = place["path"].as_str().unwrap_or_default();
            format!("{path}:{}:{}", place["line"], place["column"])
        })
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            "migrations/core/002_x/up.cql:1:1",
            "migrations/core/002_x/up.cql:1:8",
            "migrations/core/002_x/up.cql:3:1",
            "migrations/core/003_y/up.cql:1:26",
            "migrations/core/003_y/up.cql:1:9",
            "migrations/core/003_z/down.cql:null:null",
            "migrations/core/003_z:null:null",
            "migrations/notes.cql:null:null",
        ]
    );
}

#[test]
fn unusual_files_work() {
    let project = project(&[
        EMPTY,
        (
            "migrations/core/001_mark/up.cql",
            "\u{FEFF}CREATE TABLE a (b int PRIMARY KEY);\r\n// end",
        ),
        ("migrations/core/002_empty/up.cql", ""),
        (
            "migrations/core/003_no_end/up.cql",
            "ALTER TABLE a ADD c text -- the end",
        ),
        (
            "migrations/core/003_no_end/up.sql",
            "create table not_cql_and_not_asked_for ();",
        ),
        (
            "migrations/core/004_batch/backfill.cql",
            "BEGIN BATCH\r\n  INSERT INTO a (b, c) VALUES (1, ';');\r\n  UPDATE a SET c = $$'--$$ WHERE b = 2;\r\nAPPLY BATCH;\r\nINSERT INTO a (b) VALUES (3) IF NOT EXISTS;",
        ),
        (
            "migrations/core/005_told/up.cql",
            "// kmig:done-when SELECT b FROM a WHERE b = 4\nINSERT INTO a (b, d) VALUES (4, uuid());\n-- kmig:done-when SELECT b FROM a\n-- kmig:allow not-understood because test\nCREATE TABLE x LIKE a;",
        ),
        (
            "migrations/core/005_told/check.cql",
            "SELECT b FROM a WHERE b = 4",
        ),
        (
            "migrations/V6__six.cql",
            "-- kmig:allow drop-table because test\nDROP TABLE a",
        ),
        ("migrations/V7__seven.sql", "SELECT 1"),
    ]);
    expect(
        "odd",
        run(&project, "kmig check"),
        0,
        &["6 migrations, 8 statements", "002_empty has no statement"],
    );
    // The same folder is a project of Postgres as well; what is for the other engine is passed over.
    let sql = project
        .kmig(["check"])
        .env("KMIG_URL", "postgres://nowhere/x")
        .run();
    expect("sql", sql, 0, &["6 migrations, 2 statements"]);
}

#[test]
fn projects_are_made_with_cql() {
    let project = project(&[]);
    expect("init", run(&project, "kmig init"), 0, &["001_base/up.cql"]);
    let config = project.read("kmig.toml");
    assert!(config.contains("cassandra://"), "{config}");
    expect(
        "check",
        run(&project, "kmig check"),
        0,
        &["1 migration, 0 statements"],
    );
    expect(
        "new",
        run(&project, "kmig new add_mail --parts up,backfill,finish"),
        0,
        &[
            "002_add_mail/up.cql",
            "002_add_mail/backfill.cql",
            "002_add_mail/finish.cql",
        ],
    );
    expect(
        "check",
        run(&project, "kmig check"),
        0,
        &["2 migrations, 0 statements"],
    );
    expect(
        "config",
        run(&project, "kmig config"),
        0,
        &[URL, "KMIG_URL"],
    );
}
