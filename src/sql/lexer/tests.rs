use super::*;
use proptest::prelude::*;

/// Tokens without spaces, as `kind text`.
fn check(text: &str, expected: &[(Kind, &str)]) {
    let found: Vec<(Kind, &str)> = Lexer::new(text)
        .filter(|token| token.kind != Kind::Space)
        .map(|token| (token.kind, token.span.of(text)))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn strings_and_names() {
    use Kind::*;
    check("'a''b' c", &[(String, "'a''b'"), (Word, "c")]);
    check(r"'a\' b", &[(String, r"'a\'"), (Word, "b")]);
    check(r"E'a\'b''c\\' d", &[(String, r"E'a\'b''c\\'"), (Word, "d")]);
    check("e'\\é'", &[(String, "e'\\é'")]);
    check("E'a'\n'b\\'c'", &[(String, "E'a'\n'b\\'c'")]);
    check(
        "E'a' -- x\n --y\n 'b\\'c'",
        &[(String, "E'a' -- x\n --y\n 'b\\'c'")],
    );
    check(
        r"E'a' 'b\' c",
        &[(String, "E'a'"), (String, r"'b\'"), (Word, "c")],
    );
    check(
        r#"U&'d\0061' u&"x""y" N'n' B'01' x'1F'"#,
        &[
            (String, r"U&'d\0061'"),
            (Quoted, r#"u&"x""y""#),
            (String, "N'n'"),
            (String, "B'01'"),
            (String, "x'1F'"),
        ],
    );
    check("U & 'a'", &[(Word, "U"), (Operator, "&"), (String, "'a'")]);
    check(r#""a;""b" "#, &[(Quoted, r#""a;""b""#)]);
    check("'open", &[(String, "'open")]);
    check(r"E'\", &[(String, r"E'\")]);
    check("naïve$1 ünïcode", &[(Word, "naïve$1"), (Word, "ünïcode")]);
}

#[test]
fn dollar_quotes() {
    use Kind::*;
    check("$$a;$b$;$$ c", &[(Dollar, "$$a;$b$;$$"), (Word, "c")]);
    check("$a$ $b$a$ d", &[(Dollar, "$a$ $b$a$"), (Word, "d")]);
    check("$é_1$;$é_1$", &[(Dollar, "$é_1$;$é_1$")]);
    check("a$b$c;", &[(Word, "a$b$c"), (Semicolon, ";")]);
    check("$1$$;$$", &[(Param, "$1"), (Dollar, "$$;$$")]);
    check("$a b", &[(Other, "$"), (Word, "a"), (Word, "b")]);
    check("1$$x$$", &[(Number, "1"), (Dollar, "$$x$$")]);
    check("$A$ $a$ ", &[(Dollar, "$A$ $a$ ")]);
}

#[test]
fn comments() {
    use Kind::*;
    check("a--b\nc", &[(Word, "a"), (LineComment, "--b"), (Word, "c")]);
    check("--b\rc", &[(LineComment, "--b"), (Word, "c")]);
    check("/*/**/;*/a", &[(BlockComment, "/*/**/;*/"), (Word, "a")]);
    check("/***/a", &[(BlockComment, "/***/"), (Word, "a")]);
    check("/*/ */a", &[(BlockComment, "/*/ */"), (Word, "a")]);
    check("/*/* */a", &[(BlockComment, "/*/* */a")]);
    check("/*", &[(BlockComment, "/*")]);
}

#[test]
fn operators_and_numbers() {
    use Kind::*;
    check(
        "a+--b",
        &[(Word, "a"), (Operator, "+"), (LineComment, "--b")],
    );
    check("*/**/", &[(Operator, "*"), (BlockComment, "/**/")]);
    check("=-1", &[(Operator, "=-"), (Number, "1")]);
    check("@-1", &[(Operator, "@-"), (Number, "1")]);
    check(
        "a::b",
        &[(Word, "a"), (Other, ":"), (Other, ":"), (Word, "b")],
    );
    check(
        "1.5e-3 .5 1..2 1_000 0xFf",
        &[
            (Number, "1.5e-3"),
            (Number, ".5"),
            (Number, "1"),
            (Other, ".."),
            (Number, "2"),
            (Number, "1_000"),
            (Number, "0xFf"),
        ],
    );
    check("1e--x", &[(Number, "1e-"), (Operator, "-"), (Word, "x")]);
    check("1abc", &[(Number, "1abc")]);
    check(
        "1e5$$;$$",
        &[(Number, "1e5$$"), (Semicolon, ";"), (Dollar, "$$")],
    );
    check("1e+5x $1x", &[(Number, "1e+5x"), (Param, "$1x")]);
    check("1ünï", &[(Number, "1ünï")]);
    check(
        r"\;()",
        &[
            (Backslash, "\\"),
            (Semicolon, ";"),
            (Open, "("),
            (Close, ")"),
        ],
    );
}

/// Each of these is quadratic to a lexer that looks ahead again and again; each must simply end.
#[test]
fn linear() {
    const SIZE: usize = 1_000_000;
    let cases: &[(&str, &str, usize)] = &[
        ("$", "$", 1),
        ("$a$ ", "", 1),
        ("$a ", "", SIZE * 3),
        ("/*", "", 1),
        ("/* */", "", SIZE),
        ("E'' --\n", "", SIZE * 4),
        ("+-", "", 1),
        ("(", "", SIZE),
        ("''", "", 1),
        ("'\"", "", SIZE + 1),
        ("a$", "", 1),
        ("1e", "", 1),
    ];
    for &(unit, last, most) in cases {
        let text = unit.repeat(SIZE) + last;
        let count = Lexer::new(&text).count();
        assert!(count <= most.max(SIZE), "{unit}: {count}");
    }
    let tags: String = (0..SIZE / 8).map(|n| format!("$t{n} ")).collect();
    assert_eq!(Lexer::new(&tags).count(), SIZE / 8 * 3);
}

proptest! {
    #[test]
    fn every_byte_belongs_to_one_token(text in r#"([-'"$/*\\(); \n\rEeUuaé1.&;:+]|\PC){0,60}"#) {
        let mut at = 0;
        for token in Lexer::new(&text) {
            prop_assert_eq!(token.span.start, at);
            prop_assert!(token.span.end > at && text.is_char_boundary(token.span.end));
            prop_assert!(!token.unclosed || token.span.end == text.len());
            at = token.span.end;
        }
        prop_assert_eq!(at, text.len());
    }
}
