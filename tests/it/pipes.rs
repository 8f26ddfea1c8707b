//! kmig in a pipe: a reader that goes is no failure, colours are for terminals, and `--json` is one document, always.

use crate::support::case::{Case, EMPTY, document, expect, shell};
use crate::support::server::Server;

const FILES: [(&str, &str); 3] = [
    EMPTY,
    ("migrations/core/001_good/up.sql", "create table good ();"),
    (
        "migrations/core/001_good/finish.sql",
        "alter table good add a int;",
    ),
];

#[test]
fn a_terminal_of_any_width_shows_whole_names() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    let long = "core/002_a_name_of_some_length";
    case.project
        .write(&format!("migrations/{long}/up.sql"), "select 1;");
    case.run("kmig bootstrap", 0);
    for (width, columns) in [(0, 6), (100, 6), (60, 4), (20, 3)] {
        let line = format!(
            "exec script -qec 'stty rows 24 cols {width}; \"$KMIG\" status' /dev/null </dev/null"
        );
        let run = shell(case.project.path(), &line);
        let output = run.env("KMIG_URL", case.server.url(&case.database)).run();
        // Cells and their colours, each followed by the end of the colour, stand on one line.
        let mut text = output.stdout.clone();
        for code in ["1", "2", "32", "36", "0"] {
            text = text.replace(&format!("\x1b[{code}m"), "");
        }
        let row = text.lines().find(|line| line.contains(long));
        let row = row.unwrap_or_else(|| panic!("{width} columns: {}", output.stdout));
        let shown = row.split("  ").filter(|cell| !cell.trim().is_empty());
        // The last column, a remark, always stays.
        assert_eq!(shown.count(), columns, "{width} columns: {row:?}");
        assert!(!row.contains('\x1b'), "{row:?}");
    }
}

#[test]
fn control_c_at_the_question_is_no_answer() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    case.run("kmig bootstrap", 0);
    for (part, sql) in [
        ("up", "create table b ();"),
        ("finish", "drop table b;"),
        ("undo", "drop table b;"),
    ] {
        case.project
            .write(&format!("migrations/core/002_b/{part}.sql"), sql);
    }
    case.run("kmig up", 0);
    // The key comes once the question stands there.
    let line = "mkfifo keys; exec 3<>keys; script -qefc '\"$KMIG\" undo --assume-gone --reason test' screen <keys >/dev/null & \
        for i in $(seq 200); do grep -q 'y/N' screen 2>/dev/null && break; sleep 0.05; done; \
        printf '\\003' >&3; wait $!; code=$?; cat screen; exit $code";
    let run = shell(case.project.path(), line);
    let output = run.env("KMIG_URL", case.server.url(&case.database)).run();
    let wanted = [
        "stopped by a signal: nothing was answered",
        "nothing was run",
    ];
    expect(line, output, 130, &wanted);
    assert_eq!(case.sql("select to_regclass('b') is not null"), "t");
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    for number in 2..400 {
        case.project.write(
            &format!("migrations/core/{number:03}_more/up.sql"),
            "select 1; select 2;",
        );
    }
    case.run("kmig bootstrap", 0);
    // The first writes more than a pipe holds; the others find their reader gone before they write.
    for line in [
        "{ \"$KMIG\" status; echo \"code $?\" >&2; } | head -1",
        "{ \"$KMIG\" list; echo \"code $?\" >&2; } | true",
        "{ \"$KMIG\" status --json; echo \"code $?\" >&2; } | true",
        "{ \"$KMIG\" check; echo \"code $?\" >&2; } | true",
        "{ \"$KMIG\" man; echo \"code $?\" >&2; } | head -1",
        "{ \"$KMIG\" completions bash; echo \"code $?\" >&2; } | head -1",
        "{ \"$KMIG\" --help; echo \"code $?\" >&2; } | true",
        "\"$KMIG\" status >&-; echo \"code $?\" >&2",
        "\"$KMIG\" status > /dev/full; echo \"code $?\" >&2",
    ] {
        let run = shell(case.project.path(), line);
        let output = run.env("KMIG_URL", case.server.url(&case.database)).run();
        expect(line, output, 0, &["code 0"]);
    }
    // A reader of messages that has gone stops no work.
    case.project.write(
        "migrations/core/900_last/up.sql",
        "create table last_one ();",
    );
    let line = "{ \"$KMIG\" up 2>&1 >/dev/null; echo \"code $?\" > code; } | true; cat code";
    let run = shell(case.project.path(), line);
    expect(
        line,
        run.env("KMIG_URL", case.server.url(&case.database)).run(),
        0,
        &["code 0"],
    );
    assert_eq!(case.sql("select to_regclass('last_one') is not null"), "t");
}

#[test]
fn colours_are_for_terminals() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&FILES);
    case.project
        .write("migrations/core/002_bad/up.sql", "select oops;");
    let escape = '\u{1b}';
    for (line, code) in [
        ("kmig plan bootstrap", 0),
        ("kmig status", 0),
        ("kmig bootstrap", 1),
        ("kmig status", 0),
        ("kmig --help", 0),
        ("kmig nonsense", 2),
    ] {
        let output = expect(line, case.kmig(line).env("NO_COLOR", "").run(), code, &[]);
        assert!(!format!("{output}").contains(escape), "{line}: {output}");
    }
    // On a terminal there are some, unless NO_COLOR is set.
    let terminal = |no_color: &str| {
        let run = shell(
            case.project.path(),
            "exec script -qec '\"$KMIG\" status' /dev/null",
        );
        let run = run.env("NO_COLOR", no_color).env("TERM", "xterm");
        run.env("KMIG_URL", case.server.url(&case.database)).run()
    };
    let output = terminal("");
    assert!(output.stdout.contains(escape), "{output}");
    let output = terminal("1");
    assert!(!output.stdout.contains("\u{1b}[3"), "{output}");
}

#[test]
fn json_is_one_document_always() {
    if !Server::available() {
        return;
    }
    let fails = "select 'größe' as a, oops;\n";
    // The state of files and database, and what is run there with the code that it ends with.
    let states: &[(&str, &[(&str, i32)])] = &[
        (
            "",
            &[
                ("status", 0),
                ("status --exit-code", 3),
                ("list", 0),
                ("up", 3),
                ("finish", 3),
                ("undo", 3),
                ("check", 0),
                ("check --db", 0),
                ("plan bootstrap", 0),
                ("plan up", 3),
                ("bootstrap --dry-run", 0),
                ("config", 0),
                ("init other", 0),
                ("init other", 2),
                ("new thing", 0),
                ("accept core/001 --reason x", 0),
                ("accept nothing --reason x", 2),
                ("bootstrap", 0),
            ],
        ),
        (
            "done",
            &[
                ("status --exit-code", 0),
                ("bootstrap", 0),
                ("up", 0),
                ("finish", 0),
                ("undo", 0),
                ("plan up", 0),
                ("plan finish", 0),
                ("accept core/001 --reason x", 0),
            ],
        ),
        (
            "new",
            &[
                ("status --exit-code", 5),
                ("plan up", 0),
                ("up --dry-run", 0),
                ("up", 1),
                ("status --exit-code", 5),
                ("finish -y", 5),
            ],
        ),
        (
            "wrong",
            &[
                ("status", 2),
                ("list", 2),
                ("up", 2),
                ("check", 2),
                ("plan up", 2),
                ("bootstrap", 2),
                ("accept core/001 --reason x", 2),
            ],
        ),
        (
            "changed",
            &[
                ("status --exit-code", 8),
                ("up", 8),
                ("check --db", 8),
                ("finish", 8),
            ],
        ),
        (
            "ahead",
            &[("status --exit-code", 9), ("finish", 9), ("check --db", 9)],
        ),
        (
            "toml",
            &[("status", 2), ("config", 2), ("check", 2), ("up", 2)],
        ),
        (
            "usage",
            &[
                ("", 2),
                ("nonsense", 2),
                ("up --nonsense", 2),
                ("plan", 2),
                ("up --assume-gone", 2),
                ("status extra", 2),
                ("up -q -v", 2),
            ],
        ),
        (
            "server",
            &[
                ("status --url postgres://127.0.0.1:1/x", 1),
                ("up --url mysql://x", 2),
                ("up --url cassandra://h", 2),
                ("up --lock-wait x", 2),
            ],
        ),
    ];
    let case = Case::new(&FILES);
    for (state, lines) in states {
        match *state {
            "new" => case.project.write("migrations/core/003_bad/up.sql", fails),
            "wrong" => case
                .project
                .write("migrations/core/003_bad/up.sql", "select 'oops"),
            "changed" => {
                case.project.remove("migrations/core/003_bad");
                case.project
                    .write("migrations/core/001_good/up.sql", "create table bad ();");
            }
            "ahead" => {
                case.project
                    .rename("migrations/core/001_good", "migrations/acl/001_good");
                case.project.remove("migrations/core");
            }
            "toml" => case.project.write("kmig.toml", "oops = 1"),
            "usage" => case.project.write("kmig.toml", ""),
            _ => {}
        }
        for (line, code) in *lines {
            for line in [
                format!("kmig {line} --json"),
                format!("kmig --json {line} -v -v"),
            ] {
                if line.contains("-q -v") && line.ends_with("-v -v")
                    || *code == 0 && line.ends_with("-v -v") && line.contains("init")
                {
                    continue;
                }
                if line.ends_with("-v -v")
                    && ["bootstrap", "new thing", "accept", "init"]
                        .iter()
                        .any(|once| line.contains(once))
                {
                    continue;
                }
                let output = case.kmig(&line).run();
                let output = expect(&format!("{line} ({state})"), output, *code, &[]);
                let document = document(&line, &output);
                assert_eq!(document["exit"], *code, "{line}: {document:#}");
                let failed = document.get("error").is_some_and(|error| !error.is_null());
                assert_eq!(
                    failed,
                    *code != 0 && !line.contains("status --exit-code"),
                    "{line}: {document:#}"
                );
                if failed {
                    let error = &document["error"];
                    for key in ["code", "message"] {
                        assert!(
                            error[key].as_str().is_some_and(|text| !text.is_empty()),
                            "{line}: {document:#}"
                        );
                    }
                    for key in ["place", "next", "now"] {
                        assert!(error.get(key).is_some(), "{line}: no {key} in {document:#}");
                    }
                }
            }
        }
    }
}
