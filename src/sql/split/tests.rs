use super::*;
use proptest::prelude::*;

/// The statements' texts, each with its data behind ` <- `, and the problems as `line:column message`.
fn shown(text: &str) -> (Vec<String>, Vec<String>) {
    let script = split(text);
    let statements = script.statements.iter().map(|statement| {
        let data = statement
            .copy_data
            .map_or(String::new(), |data| format!(" <- {}", data.of(text)));
        format!("{}{data}", statement.span.of(text))
    });
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
    check(" ;; -- nothing\n/* at ; all */ ;", &[]);
    check("select 1; select 2", &["select 1", "select 2"]);
    check("-- a\nselect /* ; */ 1 -- ;\n;\n", &["select /* ; */ 1"]);
    check(
        "select ';', \";\", $$;$$, E'\\';';\r\nselect 2;\r\n",
        &["select ';', \";\", $$;$$, E'\\';'", "select 2"],
    );
    check(
        "create rule r as on insert to t do also (delete from a; delete from b); table x;",
        &[
            "create rule r as on insert to t do also (delete from a; delete from b)",
            "table x",
        ],
    );
    check("select 1); select 2", &["select 1)", "select 2"]);
}

#[test]
fn bodies() {
    let body = "create or replace function f() returns int begin atomic select 1; \
                select case when true then 1 end; end";
    check(&format!("{body}; select 2;"), &[body, "select 2"]);
    let body = "CREATE PROCEDURE p(a int) BEGIN ATOMIC DELETE FROM t; BEGIN ATOMIC END; END";
    check(&format!("{body};table t"), &[body, "table t"]);
    // psql counts a function's name, too; unlike psql, kmig does not send the rest of the file as one statement.
    check_problems(
        "create function begin() returns int as 'x'; select 1;",
        &["1:17 this BEGIN has no END"],
    );
}

#[test]
fn copies() {
    check(
        "copy t from stdin;\n1\t';\n\\.x\n\\.\nselect 1;",
        &["copy t from stdin <- 1\t';\n\\.x\n", "select 1"],
    );
    check(
        "COPY s.\"T\" (a, \"from\") FROM STDIN WITH (FORMAT csv); -- rest\r\na,b\r\n\\.\r\ntable t;",
        &[
            "COPY s.\"T\" (a, \"from\") FROM STDIN WITH (FORMAT csv) <- a,b\r\n",
            "table t",
        ],
    );
    check("copy t from stdin;\n\\.", &["copy t from stdin <- "]);
    check(
        "copy binary t from stdout;\nx\n\\.\n",
        &["copy binary t from stdout <- x\n"],
    );
    check(
        "copy t from 'stdin'; table t;",
        &["copy t from 'stdin'", "table t"],
    );
    check(
        "copy t from program 'x'; table t;",
        &["copy t from program 'x'", "table t"],
    );
    check("copy t to stdin; table t;", &["copy t to stdin", "table t"]);
    check(
        "copy (select 1 from stdin) to stdout; table t",
        &["copy (select 1 from stdin) to stdout", "table t"],
    );
    check_problems(
        "copy t from stdin;\n1\n",
        &["1:1 the data of this COPY … FROM stdin never end"],
    );
    check_problems(
        "copy t from stdin",
        &["1:1 the data of this COPY … FROM stdin never end"],
    );
    check_problems(
        "copy t from stdin; select 1;\n\\.\n",
        &["1:20 something follows COPY … FROM stdin on its line"],
    );
}

#[test]
fn commands_of_psql() {
    check(
        "\\restrict aB3\n\nselect 1;\n\\unrestrict aB3\n",
        &["select 1"],
    );
    check_problems(
        "select 1;\n  \\i other.sql ';\nselect 2;",
        &["2:3 `\\i` is a command of psql"],
    );
    check_problems(
        "select 1 \\; select 2 \\g",
        &[
            "1:10 `\\;` is a command of psql",
            "1:22 `\\g` is a command of psql",
        ],
    );
    check_problems(
        "\\copy t from stdin\n';(\n\\.\n\\.\n",
        &[
            "1:1 `\\copy` is a command of psql",
            "4:1 `\\.` is a command of psql",
        ],
    );
    check_problems(
        "select\n\\restrict x",
        &["2:1 `\\restrict` is a command of psql"],
    );
    check_problems("\\", &["1:1 `\\` is a command of psql"]);
    check("select '\\d', $$\\d$$ -- \\d", &["select '\\d', $$\\d$$"]);
}

#[test]
fn unclosed_things() {
    check_problems("select 1;\n 'a\n;", &["2:2 this string is never closed"]);
    check_problems("a E'\\';", &["1:3 this string is never closed"]);
    check_problems("(a \";", &["1:4 this quoted name is never closed"]);
    check_problems("/* /* */ ;", &["1:1 this comment is never closed"]);
    check_problems("do $a$ $b$;", &["1:4 this dollar quote is never closed"]);
    check_problems("a (b (c); d", &["1:3 this parenthesis is never closed"]);
    check_problems(
        "create function f() begin atomic select 1;",
        &["1:21 this BEGIN has no END"],
    );
    check_problems("select 1;\nselect '\0';", &["2:9 this is a NUL byte"]);
}

#[test]
fn directives() {
    let text = "-- kmig:allow a because b\n-- prose\n\n--kmig:timeout 5s\nselect 1;\nselect 2;";
    let script = split(text);
    assert_eq!(script.problems, []);
    assert_eq!(script.statements[0].directives.timeout_ms, Some(5_000));
    assert_eq!(
        script.statements[0].directives.allow[0].span,
        Span::new(0, 25)
    );
    assert_eq!(script.statements[1].directives, Directives::default());
    check_problems(
        "select 1; -- kmig:timeout 5s\nselect 2",
        &["1:11 this directive stands behind a statement"],
    );
    check_problems(
        "select -- kmig:timeout 5s\n2",
        &["1:8 this directive stands inside a statement"],
    );
    check_problems(
        "/* kmig:timeout 5s */ select 2",
        &["1:1 this directive is a block comment"],
    );
    check_problems(
        "select 1;\n-- kmig:timeout 5s\n",
        &["2:1 no statement stands below this directive"],
    );
    check_problems(
        "-- kmig:timeout 5x\nselect 1",
        &["1:1 `5x` is no time span"],
    );
    check_problems(
        "copy t from stdin; -- kmig:timeout 5s\n\\.\n",
        &["1:20 this directive stands behind a statement"],
    );
}

/// Everything a statement may hold whose inside must not matter.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}( [a-z0-9]{1,3})?",
        "'([a-z;$\" (\n-]|'')*'",
        // With an operator in front: behind a line end it would go on with the rules of an E'…' before it.
        "='([a-z;\\\\-]|'')*'",
        "E'([a-z;$\"( \n-]|''|\\\\'|\\\\\\\\)*'",
        "\"([a-z;'$ (]|\"\")*\"",
        "\\$\\$[a-z;'\"( \n-]*\\$\\$",
        "\\$t1\\$([a-z;'\"( \n-]|\\$\\$)*\\$t1\\$",
        "\\(([a-z, ]|;|';')*\\)",
        "/\\*([a-z;'\"$( \n]|/\\*;\\*/)*\\*/",
        "--[a-z;'\"$(/* ]*\n",
        "[0-9]{1,2}|[+<>=,.]",
    ]
}

proptest! {
    #[test]
    fn statements_come_back(
        statements in prop::collection::vec(prop::collection::vec(piece(), 0..6), 0..6),
        ends in any::<bool>(),
    ) {
        // A first word that is no keyword keeps the statement free of problems of its own.
        let statements: Vec<String> = statements
            .iter()
            .map(|pieces| format!("x {} y", pieces.join(" ")))
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
    fn any_text_is_survived(text in r#"([-'"$/*\\(); \n\rEeUuaé1.&;:+]|copy|from stdin|kmig:|with|select|as|insert|merge|set |\PC){0,40}"#) {
        let script = split(&text);
        for statement in script.statements {
            prop_assert!(!statement.span.of(&text).is_empty());
        }
        for problem in script.problems {
            prop_assert!(problem.span.end <= text.len() && !problem.span.of(&text).is_empty());
        }
    }
}
