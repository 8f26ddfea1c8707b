//! An error of a statement: the server's own words, its place with a caret at the word, what is true now, what to run next.

use serde_json::json;

use crate::support::case::{Case, EMPTY, document, expect};
use crate::support::server::Server;

const UP: &str = "migrations/core/050_x/up.sql";

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create table t (id int primary key, a text not null, \"größe\" int check (\"größe\" > 0));\n\
     create function bad(i int) returns int language plpgsql as $$ begin return (select nosuch from t where id = i); end $$;\n\
     create function worse() returns int language sql as 'select bad(1)';",
);

/// What a part holds, line and column of the caret, the text under it, and what else is said.
const CASES: [(&str, &str, &str, &[&str]); 16] = [
    (
        "create table x (\n  a int,\n  b no_such_type\n);",
        "3:5",
        "no_such_type",
        &["42704", "no_such_type"],
    ),
    (
        "select 1;\nselect 'größe', oops from t;",
        "2:17",
        "oops",
        &["42703", "\"oops\""],
    ),
    (
        "/* größer */ update t set \"größen\" = 1;",
        "1:27",
        "\"größen\"",
        &["42703"],
    ),
    (
        "insert into t values (1, 'a', 1);\n\n  insert into t values (1, 'b', 2);",
        "3:3",
        "insert",
        &["23505", "detail: Key (id)=(1) already exists."],
    ),
    (
        "insert into t (id) values (1)",
        "1:1",
        "insert",
        &["23502", "Failing row contains"],
    ),
    (
        "insert into t values (2, 'a', -1)",
        "1:1",
        "insert",
        &["23514", "t_größe_check"],
    ),
    (
        "select lenght('x')",
        "1:8",
        "lenght",
        &["42883", "hint: No function matches"],
    ),
    (
        "drop table t, nowhere",
        "1:1",
        "drop",
        &["42P01", "nowhere"],
    ),
    (
        "crate table x ();",
        "1:1",
        "crate",
        &["42601", "syntax error"],
    ),
    ("create table x ()\n)", "2:1", ")", &["42601"]),
    ("create table x (a int", "1:16", "(", &["never closed"]),
    (
        "select bad(1)",
        "1:1",
        "select",
        &[
            "42703",
            "nosuch",
            "context: ",
            "PL/pgSQL function bad(integer)",
            "inner query: (select nosuch from t where id = i)",
        ],
    ),
    (
        "select worse()",
        "1:1",
        "select",
        &["42703", "nosuch", "bad(integer)", "worse"],
    ),
    (
        "do $$ begin\n  perform 1;\n  perform oops from t;\nend $$;",
        "1:1",
        "do",
        &["42703", "oops", "line 3", "inner query: SELECT oops from t"],
    ),
    (
        "do $$ begin raise exception 'Übel' using hint = 'Schlaf', detail = 'Es' || chr(10) || 'war', errcode = 'KM001'; end $$",
        "1:1",
        "do",
        &[
            "Übel",
            "KM001",
            "hint: Schlaf",
            "detail: Es\n            war",
        ],
    ),
    (
        "copy t from stdin;\n1\ta\t1\n2\tb\toops\n\\.\n",
        "1:1",
        "copy",
        &["22P02", "COPY t, line 2, column größe"],
    ),
];

fn based() -> Case {
    let case = Case::new(&[EMPTY, BASE]);
    case.run("kmig bootstrap", 0);
    case
}

#[test]
fn an_error_is_shown_where_it_is() {
    if !Server::available() {
        return;
    }
    for (number, (text, at, marked, says)) in CASES.iter().enumerate() {
        // Alone, and as one of many that travel in one string, behind characters of several bytes.
        for many in [false, true] {
            let case = based();
            let before = case.picture();
            if many {
                for number in (2..50).chain(51..60) {
                    let up = format!("migrations/core/{number:03}_o/up.sql");
                    case.project.write(&up, &format!("create table \"täble_{number}\" (); -- größe\ncomment on table \"täble_{number}\" is 'é';"));
                }
            }
            case.project.write(UP, text);
            let line = if number % 2 == 0 {
                "kmig up"
            } else {
                "kmig up -q"
            };
            let offline = says.contains(&"never closed");
            let code = if offline { 2 } else { 1 };
            let output = expect(text, case.kmig(line).run(), code, says);
            let place = format!(" --> {UP}:{at}\n");
            assert!(output.stderr.contains(&place), "{text}: no {place}{output}");
            caret(&output.stderr, &place, marked);
            assert!(output.stderr.contains("rolled back") || offline, "{output}");
            assert!(
                output.stderr.contains("kmig up, which continues") || offline,
                "{output}"
            );
            if offline {
                assert_eq!(case.picture(), before);
                continue;
            }
            let done = if many { "48" } else { "0" };
            assert_eq!(
                case.sql("select count(*) from pg_class where relname like 'täble%'"),
                done,
                "{text}"
            );
            assert_eq!(
                case.sql("select to_regclass('x') is null, count(*) from t"),
                "t|0",
                "{text}"
            );

            let output = case.kmig(&format!("{line} --json")).run();
            let document = document(text, &output);
            let error = &document["error"];
            let (row, column) = at.split_once(':').expect("a place");
            assert_eq!(
                error["place"],
                json!({ "path": UP, "line": row.parse::<usize>().ok(), "column": column.parse::<usize>().ok() }),
                "{text}: {document:#}"
            );
            assert_eq!(
                (&error["code"], &document["exit"]),
                (&json!("failed"), &json!(1))
            );
            assert!(
                says.contains(&error["server"]["sqlstate"].as_str().unwrap_or_default()),
                "{document:#}"
            );
            for key in ["detail", "hint", "context"] {
                let told = says
                    .iter()
                    .any(|text| text.starts_with(&format!("{key}: ")));
                assert!(
                    !told || error["server"][key].is_string(),
                    "{key} of {document:#}"
                );
            }
            for key in ["message", "now", "next"] {
                assert!(error[key].is_string(), "{key} of {document:#}");
            }
        }
    }
}

/// The caret stands under the word, counted in characters, and is as long as it.
fn caret(shown: &str, place: &str, marked: &str) {
    let behind = shown.split_once(place).expect("the place").1;
    let mut lines = behind.lines().skip(1);
    let (source, carets) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let from = carets
        .chars()
        .position(|c| c == '^')
        .unwrap_or_else(|| panic!("no caret:\n{shown}"));
    let length = carets.chars().filter(|&c| c == '^').count();
    let word: String = source.chars().skip(from).take(length).collect();
    assert!(
        word == marked || marked.starts_with(&word) && word.starts_with('"'),
        "{word:?} is marked, not {marked:?}:\n{shown}"
    );
}

#[test]
fn errors_of_the_other_parts_have_their_place_too() {
    if !Server::available() {
        return;
    }
    let case = based();
    let finish = "kmig finish -y --assume-gone --reason test";
    case.project.write(UP, "create table x (a int);");
    for (part, text, says) in [
        (
            "check",
            "select 1 where false;\nselect oops",
            "check.sql:2:8",
        ),
        (
            "check",
            "select 1 where false;\n select 7 as seven",
            "check.sql:2:2",
        ),
        (
            "backfill",
            "insert into x select 1 where not exists (select from x);\nupdate x set a = oops;",
            "backfill.sql:2:18",
        ),
    ] {
        let path = format!("migrations/core/050_x/{part}.sql");
        case.project.write(&path, text);
        let code = if text.contains("seven") { 7 } else { 1 };
        case.says("kmig up", code, &[says, "now: ", "next: "]);
        // What has run of it stays.
        let mended = if part == "backfill" {
            "insert into x select 1 where not exists (select from x);\nupdate x set a = 2 where a is null;"
        } else {
            ""
        };
        case.project.write(&path, mended);
    }
    case.project.write(
        "migrations/core/050_x/finish.sql",
        "alter table x add b int;\nalter table x drop oops;",
    );
    case.run("kmig up", 0);
    let ready = "migrations/core/050_x/ready.sql";
    case.project.write(ready, "select oops");
    case.says(finish, 1, &["ready.sql:1:8", "42703", "now: ", "next: "]);
    case.project.write(ready, "select 7 as seven");
    case.says(finish, 7, &["ready.sql:1:1", "seven = 7"]);
    case.project.write(ready, "");
    case.says(
        finish,
        1,
        &["finish.sql:2:", "42703", "rolled back", "kmig finish"],
    );
    assert_eq!(
        case.sql(
            "select count(*) from pg_attribute where attrelid = 'x'::regclass and attname = 'b'"
        ),
        "0"
    );
    case.project.write(
        "migrations/core/050_x/undo.sql",
        "drop table x;\ndrop table oops;",
    );
    case.says(
        "kmig undo -y --assume-gone --reason test",
        1,
        &["undo.sql:2:1", "42P01", "kmig undo"],
    );
    assert_eq!(case.sql("select to_regclass('x') is not null"), "t");
}

/// Where the session was ended from outside there is nothing to mend in the file.
#[test]
fn a_session_that_is_ended_is_no_fault_of_the_file() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, BASE]);
    case.run("kmig bootstrap", 0);
    case.project
        .write(UP, "select pg_terminate_backend(pg_backend_pid());");
    let next = "next: kmig up, which continues where it stopped";
    let output = case.says("kmig up", 1, &["57P01", "the connection is gone", next]);
    assert!(!output.stderr.contains("mend "), "{output}");
    case.project.write(
        UP,
        "do $$ begin raise 'full' using errcode = '53100'; end $$;",
    );
    let output = case.says(
        "kmig up",
        1,
        &["53100", "kmig up, which continues where it stopped"],
    );
    assert!(!output.stderr.contains("mend "), "{output}");
}
