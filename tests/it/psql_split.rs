//! kmig's splitter against psql itself, and against fixtures.
//!
//! `check_against_psql(psql, url)` runs the fixtures of tests/split and some hundred generated files through the program
//! at `psql`, connected to the scratch database at `url` (statements may fail there, and some succeed), and compares
//! what psql sent with what [`kmig::sql::split`] finds. The seed is fixed; KMIG_PSQL_CASES asks for more cases.
//!
//! `fixtures` needs no server: it compares each tests/split/<case>/input.sql with its expected.txt, which
//! `SNAPSHOTS=overwrite` rewrites.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kmig::place::{Span, line_column};
use kmig::sql::lexer::{Kind, Lexer};
use kmig::sql::split;

use crate::support::server::Server;

#[test]
fn psql_splits_alike() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    check_against_psql(&server.program("psql"), &server.url(&server.database()));
}

/// Compares the splitter with the `psql` given.
fn check_against_psql(psql: &Path, url: &str) {
    for case in cases() {
        let file = case.join("input.sql");
        let text = std::fs::read_to_string(&file).expect("a fixture is UTF-8");
        assert_eq!(
            sent(psql, url, &text),
            split_texts(&text),
            "{}",
            file.display()
        );
    }
    let count =
        std::env::var("KMIG_PSQL_CASES").map_or(500, |count| count.parse().expect("a number"));
    let mut random = fastrand::Rng::with_seed(20_260);
    let cases: Vec<String> = (0..count).map(|_| generated(&mut random)).collect();
    // `\r` drops what a case leaves open; the marker tells the cases apart.
    let file: String = cases
        .iter()
        .enumerate()
        .map(|(number, case)| format!("{case}\n\\r\n{};\n", marker(number)))
        .collect();
    let mut queries = sent(psql, url, &file).into_iter();
    for (number, case) in cases.iter().enumerate() {
        let found: Vec<String> = queries
            .by_ref()
            .take_while(|query| *query != marker(number))
            .collect();
        assert_eq!(found, ended_texts(case), "case {number}:\n{case}");
    }
}

/// The statements that end with a `;`: `\r` drops what stands behind the last one.
fn ended_texts(text: &str) -> Vec<String> {
    let statements = split(text).statements;
    let ended = statements.iter().filter(|statement| {
        let behind = Span::new(statement.span.end, text.len());
        Lexer::within(text, behind)
            .find(|token| token.is_significant())
            .is_some_and(|token| token.kind == Kind::Semicolon)
    });
    ended
        .map(|statement| without_empty_lines(statement.span.of(text)))
        .collect()
}

fn marker(number: usize) -> String {
    format!("select 'case {number}'")
}

fn split_texts(text: &str) -> Vec<String> {
    let statements = split(text).statements;
    statements
        .iter()
        .map(|statement| without_empty_lines(statement.span.of(text)))
        .collect()
}

/// What psql sends when it runs a text, without comments around it and the closing `;`, and without empty queries.
fn sent(psql: &Path, url: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, log) = (folder.path().join("in.sql"), folder.path().join("log"));
    std::fs::write(&file, text).expect("the folder is writable");
    Command::new(psql)
        .args(["-X", "-q", "-f"])
        .arg(&file)
        .arg("-L")
        .arg(&log)
        .arg(url)
        .env("PGCLIENTENCODING", "UTF8")
        .env("LC_ALL", "C")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("psql runs");
    let log = std::fs::read(&log).expect("psql writes its log");
    let log = String::from_utf8_lossy(&log);
    // psql 18 writes the frame as a comment.
    let (open, close) = match log.contains("/******** QUERY *********/\n") {
        true => (
            "/******** QUERY *********/\n",
            "\n/************************/\n",
        ),
        false => (
            "********* QUERY **********\n",
            "\n**************************\n",
        ),
    };
    log.split(open)
        .skip(1)
        .filter_map(|framed| framed.split_once(close))
        .filter_map(|(query, _)| bare_text(query))
        .collect()
}

fn bare_text(query: &str) -> Option<String> {
    let mut tokens: Vec<_> = Lexer::new(query)
        .filter(|token| token.is_significant())
        .collect();
    if tokens
        .last()
        .is_some_and(|token| token.kind == Kind::Semicolon)
    {
        tokens.pop();
    }
    let (first, last) = (tokens.first()?, tokens.last()?);
    let text = Span::new(first.span.start, last.span.end).of(query);
    Some(without_empty_lines(text))
}

/// psql passes over empty lines outside quotes.
fn without_empty_lines(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// A text of pieces that the rules of psqlscan.l fit together in surprising ways. Left out is what psql itself replaces
/// (`:name`, set or not), its commands, and where its reading line by line departs from the server's (E'' continued on
/// another line).
fn generated(random: &mut fastrand::Rng) -> String {
    const PIECES: &[&str] = &[
        ";",
        ";",
        ";",
        ";\n",
        " ",
        "\n",
        "\t",
        "\r",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        ": ",
        "::",
        "a",
        "b1",
        "é",
        "a$b$c",
        "$1",
        "$a",
        "1",
        "1.5",
        ".5",
        "1..2",
        "1e5",
        "1e",
        "1e-",
        "1x",
        "+",
        "-",
        "*",
        "/",
        "=",
        "<>",
        "@-",
        "#",
        "|/",
        "''",
        "'a;b'",
        "'it''s'",
        "'\\'",
        "'--'",
        "'/*'",
        "'$$'",
        "'\n;'",
        "E'\\';'",
        "e'\\\\'",
        "E'a''b;'",
        "E'--'",
        "U&'\\0061;'",
        "u&\"a;\"",
        "U&",
        "N';'",
        "B'0;1'",
        "x'1;F'",
        "\"a;b\"",
        "\"a\"\";\"",
        "\"'\"",
        "\"--\"",
        "$$;$$",
        "$$'$$",
        "$a$;$$;$b$ $a$",
        "$é$;$é$",
        "$_1$\n;\n$_1$",
        "$A$;$a$;$A$",
        "$$$a$;$$",
        "--;\n",
        "--'\n",
        "--$$ (\n",
        "-- /*\n",
        "--\r",
        "/*;*/",
        "/*/*;*/;*/",
        "/*'*/",
        "/**/",
        "/*/ ;*/",
        "/*\n;\n*/",
        "/*--*/",
        "create",
        "or",
        "replace",
        "function",
        "procedure",
        "begin",
        "end",
        "case",
        "BEGIN",
        "End",
        "atomic",
        "begin",
        "create function f() begin atomic ",
        "create or replace procedure ",
        " end;",
        "end",
        "select",
        "do",
        "create rule r as on insert to t do also (a; b);",
        "table",
    ];
    // Pieces may join to an open quote, which would swallow the cases behind it, bare a backslash, or continue an E''.
    let is_left_out = |text: &str| {
        Lexer::new(text).any(|token| {
            let continued = token.span.of(text).contains('\n')
                && token.span.of(text).starts_with(['e', 'E'])
                && token.kind == Kind::String;
            token.unclosed || token.kind == Kind::Backslash || continued
        })
    };
    loop {
        let mut text = String::new();
        for _ in 0..random.usize(1..30) {
            text += PIECES[random.usize(..PIECES.len())];
            if random.bool() {
                text.push(' ');
            }
        }
        if !is_left_out(&text) {
            return text;
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/split");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("tests/split is there")
        .map(|entry| entry.expect("tests/split is readable").path())
        .collect();
    cases.sort();
    cases
}

#[test]
fn fixtures() {
    for case in cases() {
        let text = std::fs::read_to_string(case.join("input.sql")).expect("a fixture is UTF-8");
        let script = split(&text);
        let mut shown = String::new();
        for statement in &script.statements {
            let Span { start, end } = statement.span;
            let first_line = statement.span.of(&text).lines().next().unwrap_or_default();
            shown += &format!("{:?} {:?} {start}..{end}", statement.verb, statement.class);
            if let Some(data) = statement.copy_data {
                shown += &format!(" data {}..{}", data.start, data.end);
            }
            shown += &format!("\n    {first_line}\n");
        }
        for problem in &script.problems {
            let at = line_column(&text, problem.span.start);
            shown += &format!("problem {}:{} {}\n", at.line, at.column, problem.message);
        }
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(
            shown,
            snapbox::Data::read_from(&case.join("expected.txt"), None).raw(),
        );
    }
}
