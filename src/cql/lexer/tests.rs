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
    check("''", &[(String, "''")]);
    check(
        r#""a;""b" "" "#,
        &[(Quoted, r#""a;""b""#), (Quoted, r#""""#)],
    );
    check("$$a;$b'$$ c", &[(Dollar, "$$a;$b'$$"), (Word, "c")]);
    check("$$$a$$$", &[(Dollar, "$$$a$$"), (Stray, "$")]);
    check("$$$$", &[(Dollar, "$$$$")]);
    check("$a$", &[(Stray, "$"), (Word, "a"), (Stray, "$")]);
    check("'open;", &[(String, "'open;")]);
    check("naïve", &[(Word, "na"), (Stray, "ï"), (Word, "ve")]);
    check("a_1 _b", &[(Word, "a_1"), (Stray, "_"), (Word, "b")]);
}

#[test]
fn comments() {
    use Kind::*;
    check("a--b\nc", &[(Word, "a"), (LineComment, "--b"), (Word, "c")]);
    check("a//b\nc", &[(Word, "a"), (LineComment, "//b"), (Word, "c")]);
    check("--b\rc", &[(LineComment, "--b"), (Word, "c")]);
    check("/*/**/;", &[(BlockComment, "/*/**/"), (Semicolon, ";")]);
    check("/***/a", &[(BlockComment, "/***/"), (Word, "a")]);
    check("/*/ */a", &[(BlockComment, "/*/ */"), (Word, "a")]);
    check("/*/", &[(BlockComment, "/*/")]);
    check(
        "a-/**/-b",
        &[
            (Word, "a"),
            (Sign, "-"),
            (BlockComment, "/**/"),
            (Sign, "-"),
            (Word, "b"),
        ],
    );
    check("1--2", &[(Number, "1"), (LineComment, "--2")]);
    check("/ /", &[(Sign, "/"), (Sign, "/")]);
}

#[test]
fn literals() {
    use Kind::*;
    check(
        "1.5e-3 0xCAFE 1h30m 5µs P1Y2M 1e5",
        &[
            (Number, "1.5e-3"),
            (Number, "0xCAFE"),
            (Number, "1h30m"),
            (Number, "5µs"),
            (Word, "P1Y2M"),
            (Number, "1e5"),
        ],
    );
    check("P0001-00-03T04:05:06", &[(Number, "P0001-00-03T04:05:06")]);
    check(
        "123e4567-e89b-12d3-a456-426614174000 abcdefAB-0000-0000-0000-000000000000",
        &[
            (Uuid, "123e4567-e89b-12d3-a456-426614174000"),
            (Uuid, "abcdefAB-0000-0000-0000-000000000000"),
        ],
    );
    check(
        "[1..2]",
        &[
            (Open, "["),
            (Number, "1"),
            (Sign, "."),
            (Sign, "."),
            (Number, "2"),
            (Close, "]"),
        ],
    );
    check("-5", &[(Sign, "-"), (Number, "5")]);
    check("1.", &[(Number, "1.")]);
    check("a=?", &[(Word, "a"), (Sign, "="), (Sign, "?")]);
    check("\u{B}#", &[(Stray, "\u{B}"), (Stray, "#")]);
}

/// Each of these is quadratic to a lexer that looks ahead again and again; each must simply end.
#[test]
fn linear() {
    const SIZE: usize = 300_000;
    for unit in [
        "$", "$$", "/*", "''", "'\"", "\"", "0", "a-", "--\n", "/", "5µ", "1.", "1e", "(",
    ] {
        let text = unit.repeat(SIZE);
        let count = Lexer::new(&text).count();
        assert!(count <= SIZE * unit.len(), "{unit}: {count}");
    }
}

proptest! {
    #[test]
    fn every_byte_belongs_to_one_token(text in r#"([-'"$/*\\(); \n\rEeé1.:{}\[\]Pµ?]|\PC){0,60}"#) {
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
