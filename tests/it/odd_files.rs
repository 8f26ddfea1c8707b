//! Files that look odd and are right.

use crate::support::case::{Case, EMPTY, expect, shell};
use crate::support::server::Server;

#[test]
fn unusual_files_work() {
    if !Server::available() {
        return;
    }
    // A file's name may have 255 bytes.
    let long = format!("014_{}", "ä".repeat(125));
    let up = |number: &str| format!("migrations/core/{number}/up.sql");
    let files = [
        ("001_empty", ""),
        ("002_comment", "-- nothing here\n/* nor here */\n"),
        ("003_mark", "\u{FEFF}create table t003 ();"),
        (
            "004_crlf",
            "create table t004 (\r\n  a text default 'x\r\ny'\r\n);\r\ncreate table t004b ();\r\n",
        ),
        (
            "005_cr",
            "create table t005 ();\rcreate table t005b (); -- a comment that ends here\rcreate table t005c ();",
        ),
        ("006_no_end", "create table t006 ()"),
        ("007_comment_at_end", "create table t007 () -- the end"),
        ("008_semicolons", ";;create table t008 ();; ;"),
        (
            "009_odd_names",
            "create table \"t;009\" (\"größe\" int); create table täble ();",
        ),
        ("010_only_mark", "\u{FEFF}"),
        ("011_spaces", " \t\x0b\x0c\n"),
        (long.as_str(), "create table t014 ();"),
    ];
    let case = Case::new(&[EMPTY]);
    for (name, text) in &files {
        case.project.write(&up(name), text);
    }
    case.run("kmig bootstrap", 0);
    assert_eq!(
        case.sql("select string_agg(relname, ' ' order by relname collate \"C\") from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and relname !~ '^schema_meta'"),
        "t003 t004 t004b t005 t005b t005c t006 t007 t008 t014 t;009 täble"
    );
    case.run("kmig check --db", 0);
    // The checksum sees neither the mark nor the line ends.
    case.project.write(&up("003_mark"), "create table t003 ();");
    case.project
        .write(&up("004_crlf"), &files[3].1.replace("\r\n", "\n"));
    case.run("kmig check --db", 0);
    case.project
        .write(&up("006_no_end"), "create table t006 ();");
    case.says("kmig check --db", 8, &["core/006_no_end"]);
}

#[test]
fn a_line_of_100_megabytes_works_in_bounded_memory() {
    if !Server::available() {
        return;
    }
    const SIZE: usize = 100_000_000;
    let case = Case::new(&[EMPTY]);
    let line = format!(
        "create table big (a text); insert into big values ('{}');",
        "x".repeat(SIZE)
    );
    case.project.write("migrations/core/001_big/up.sql", &line);
    drop(line);
    // The file's text, the string that is sent, and the driver's copy of it, with room for one more; the program itself,
    // which is mapped whole, is beside that.
    let run = |limit: usize| {
        shell(
            case.project.path(),
            &format!(
                "ulimit -v $(({} + $(stat -L -c %s \"$KMIG\") / 1000)); exec \"$KMIG\" bootstrap",
                limit / 1000
            ),
        )
        .env("KMIG_URL", case.server.url(&case.database))
        .run()
    };
    expect("100 MB", run(7 * SIZE), 0, &[]);
    assert_eq!(case.sql("select sum(length(a)) from big"), SIZE.to_string());
    // An error in that line shows a piece of it.
    let line = format!(
        "insert into big values ('{}'), (oops);",
        "x".repeat(SIZE / 10)
    );
    case.project
        .write("migrations/core/002_wrong/up.sql", &line);
    let output = case.says("kmig up", 1, &["002_wrong/up.sql:1:10000031", "oops"]);
    assert!(output.stderr.len() < 4_000, "{}", output.stderr.len());
}
