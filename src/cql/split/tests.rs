use super::*;
use proptest::prelude::*;

/// The statements' texts, and the problems as `line:column message`.
fn shown(text: &str) -> (Vec<&str>, Vec<String>) {
    let script = split(text);
    let statements = script.statements.iter().map(|found| found.span.of(text));
    let problems = script.problems.iter().map(|problem| {
        let at = crate::place::line_column(text, problem.span.start);
        format!("{}:{} {}", at.line, at.column, problem.message)
    });
    (statements.collect(), problems.collect())
}

fn check(text: &str, expected: &[&str]) {
    let (statements, problems) = shown(text);
    assert_eq!(problems, [""; 0], "{text}");
    assert_eq!(statements, expected, "{text}");
}

fn check_problems(text: &str, expected: &[&str]) {
    assert_eq!(shown(text).1, expected, "{text}");
}

#[test]
fn semicolons() {
    check("", &[]);
    check(" ;; -- nothing\n/* at ; all */ ; // x", &[]);
    check("select 1; select 2", &["select 1", "select 2"]);
    check("-- a\nselect /* ; */ 1 // ;\n;\n", &["select /* ; */ 1"]);
    check(
        "select ';', \";\", $$;$$, 'it''s;';\r\nselect 2;\r\n",
        &["select ';', \";\", $$;$$, 'it''s;'", "select 2"],
    );
    check(
        "update a set m = {'k' : 'v', 1 : [1 .. 2]} where p = P0001-00-03T04:05:06;",
        &["update a set m = {'k' : 'v', 1 : [1 .. 2]} where p = P0001-00-03T04:05:06"],
    );
}

#[test]
fn batches() {
    let batch = "BEGIN BATCH insert into a (b) values (1); delete from a where b = 1; APPLY BATCH";
    check(&format!("{batch}; use k;"), &[batch, "use k"]);
    check(batch, &[batch]);
    let batch = "begin /* ; */ unlogged batch using timestamp 1 update a set b = 1 where c = 2 apply -- ;\n batch";
    check(&format!("{batch};use k"), &[batch, "use k"]);
    check(
        "begin counter batch apply batch;",
        &["begin counter batch apply batch"],
    );
    check(
        "select begin_batch from a; select 1",
        &["select begin_batch from a", "select 1"],
    );
    check_problems(
        "use k;\n begin batch insert into a (b) values (1);\nuse k;",
        &["2:2 this BEGIN BATCH has no APPLY BATCH"],
    );
    // The second BEGIN shows where the first should have ended.
    let text = "begin batch delete from a where b = 1;\nbegin batch apply batch; use k;";
    let (statements, problems) = shown(text);
    assert_eq!(problems, ["1:1 this BEGIN BATCH has no APPLY BATCH"]);
    assert_eq!(statements[1..], ["begin batch apply batch", "use k"]);
    check_problems("apply batch;", &["1:1 this APPLY ends no BEGIN BATCH"]);
    check_problems(
        "begin batch apply batch use k;",
        &["1:25 a `;` is missing behind APPLY BATCH"],
    );
    check_problems("begin transaction;", &["1:1 this BEGIN begins no BATCH"]);
    check_problems("begin unlogged;", &[]);
}

#[test]
fn bind_markers() {
    let marker = |at: &str| format!("{at} this is a bind marker");
    check_problems("select * from a where b = ?", &[&marker("1:27")]);
    check_problems("select * from a where b = :b", &[&marker("1:27")]);
    check_problems("insert into a (m) values ({'a': :b})", &[&marker("1:33")]);
    check_problems("insert into a (m) values ({:b})", &[&marker("1:28")]);
    check_problems("insert into a (m) values ({a: [:b]})", &[&marker("1:32")]);
    check(
        "select '?', \"?:\", $$:a$$ from a // ? :b",
        &["select '?', \"?:\", $$:a$$ from a"],
    );
    check(
        "insert into a (m) values ({(1): {'x': 2}})",
        &["insert into a (m) values ({(1): {'x': 2}})"],
    );
}

#[test]
fn brackets() {
    check_problems(
        "create table a (b int;\nuse k;",
        &["1:16 this bracket is never closed"],
    );
    check_problems("select a) from b", &["1:9 this ) closes nothing"]);
    check_problems("select (a] from b", &["1:10 this ] meets an open ("]);
    check_problems(
        "begin batch insert into a (b values (1); delete from a where b = 1; apply batch;",
        &["1:27 this bracket is never closed"],
    );
}

#[test]
fn commands_of_cqlsh() {
    let (statements, problems) = shown(
        "CONSISTENCY QUORUM\nuse k;\ncopy a (b)\nfrom 'x;y';\nDESCRIBE TABLES; use l;\nsource 'x'",
    );
    assert_eq!(statements, ["use k", "use l"]);
    assert_eq!(
        problems,
        [
            "1:1 CONSISTENCY is a command of cqlsh",
            "3:1 COPY is a command of cqlsh",
            "5:1 DESCRIBE is a command of cqlsh",
            "6:1 SOURCE is a command of cqlsh",
        ]
    );
    check(
        "select copy, source from a",
        &["select copy, source from a"],
    );
}

#[test]
fn unclosed_things() {
    check_problems("use k;\n 'a\n;", &["2:2 this string is never closed"]);
    check_problems("(a \";", &["1:4 this quoted name is never closed"]);
    check_problems("/* /* ;", &["1:1 this comment is never closed"]);
    check_problems("begin batch $$ ;", &["1:13 this $$ body is never closed"]);
    check("/* /* */ use k;", &["use k"]);
    check_problems("use k;\nselect '\0';", &["2:9 this is a NUL byte"]);
    check_problems("u\0s\0e", &["1:2 this is a NUL byte"]);
    check_problems(
        "use größe; use #",
        &["1:7 CQL has no \"ö\" here", "1:16 CQL has no \"#\" here"],
    );
}

#[test]
fn directives() {
    let text =
        "-- kmig:allow a because b\n// kmig:done-when select * from a;\n-- prose\nuse k;\nuse l;";
    let script = split(text);
    assert_eq!(script.problems, []);
    let first = &script.statements[0].directives;
    assert_eq!(first.done_when.as_deref(), Some("select * from a"));
    assert_eq!(first.allow[0].span, Span::new(0, 25));
    assert_eq!(script.statements[1].directives, Directives::default());
    check_problems(
        "use k; // kmig:timeout 5s\nuse l",
        &["1:8 this directive stands behind a statement"],
    );
    check_problems(
        "begin batch\n-- kmig:timeout 5s\napply batch",
        &["2:1 this directive stands inside a statement"],
    );
    check_problems(
        "/* kmig:timeout 5s */ use k;\n-- kmig:timeout 5s",
        &[
            "1:1 this directive is a block comment",
            "2:1 no statement stands below this directive",
        ],
    );
    check_problems(
        "-- kmig:done-when delete from a where b = 1\nuse k",
        &["1:1 kmig:done-when takes a SELECT"],
    );
    check_problems(
        "-- kmig:done-when select a from b; select c from d\nuse k",
        &["1:1 kmig:done-when takes one query, not several"],
    );
}

/// Everything a statement may hold whose inside must not matter.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}( [a-z0-9]{1,3})?",
        "'([a-z;$\" (\n?:-]|'')*'",
        "\"([a-z;'$ (?]|\"\")*\"",
        "\\$\\$[a-z;'\"( \n-]*\\$\\$",
        "\\(([a-z, ]|';')*\\)",
        "/\\*[a-z;'\"$( \n]*\\*/",
        "(--|//)[a-z;'\"$(/* ]*\n",
        "[0-9]{1,2}|[+<>=,.]",
        "begin|BATCH|apply",
    ]
}

proptest! {
    #[test]
    fn statements_come_back(
        statements in prop::collection::vec(
            (prop::collection::vec(piece(), 0..6), any::<bool>()),
            0..6,
        ),
        ends in any::<bool>(),
    ) {
        let statements: Vec<String> = statements
            .iter()
            .map(|(pieces, batch)| match batch {
                false => format!("x {} y", pieces.join(" ")),
                true => {
                    let pieces: Vec<&str> = pieces
                        .iter()
                        .map(String::as_str)
                        .filter(|piece| !["begin", "BATCH", "apply"].contains(piece))
                        .collect();
                    format!("BEGIN BATCH {} APPLY BATCH", pieces.join(" ; "))
                }
            })
            .collect();
        let text = statements.join(" ;\n") + if ends { ";" } else { "" };
        let script = split(&text);
        let found: Vec<&str> = script.statements.iter().map(|found| found.span.of(&text)).collect();
        prop_assert_eq!(script.problems, vec![]);
        if text != ";" {
            prop_assert_eq!(found, statements);
        }
    }

    #[test]
    fn any_text_is_survived(text in r#"([-'"$/*\\(){}\[\]; \n\rEeé1.:?+=,<>]|begin |batch |apply |create |table |index |on |alter |drop |insert into |values |update |set |where |select |from |kmig:|copy |if |\PC){0,40}"#) {
        let script = split(&text);
        let mut end = 0;
        for statement in &script.statements {
            prop_assert!(statement.span.start >= end && !statement.span.of(&text).is_empty());
            end = statement.span.end;
        }
        for problem in &script.problems {
            prop_assert!(problem.span.end <= text.len() && !problem.span.of(&text).is_empty());
        }
        // What stands between statements is nothing but spaces, comments and `;`, unless something is wrong.
        if script.problems.is_empty() {
            let mut at = 0;
            let ends = script.statements.iter().map(|statement| statement.span);
            for span in ends.chain([Span::new(text.len(), text.len())]) {
                let between = Lexer::within(&text, Span::new(at, span.start));
                prop_assert!(between.into_iter().all(|token| !token.is_significant() || token.kind == Kind::Semicolon));
                at = span.end;
            }
        }
    }
}
