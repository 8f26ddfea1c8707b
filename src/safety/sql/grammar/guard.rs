//! What is not given to the grammar: it is recursive, and a thread's stack is small.

use crate::place::Span;
use crate::sql::lexer::{Kind, Lexer};

/// The longest run of tokens without a comma, a semicolon or a closing bracket: a chain of operators nests that deep.
const CHAIN: usize = 800;

/// So many brackets, CASEs and blocks may stand inside each other.
const DEPTH: usize = 60;

/// Longer statements are no text that somebody wrote.
const TOKENS: usize = 200_000;

/// Whether the statement at `span`, or a body that is quoted in it, is too deep for a recursive parser.
pub fn too_deep(text: &str, span: Span) -> bool {
    let (mut chain, mut depth, mut count) = (0_usize, 0_usize, 0_usize);
    for token in Lexer::within(text, span) {
        if !token.is_significant() {
            continue;
        }
        let word = token.span.of(text);
        count += 1;
        chain += 1;
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => (depth, chain) = (depth.saturating_sub(1), 0),
            Kind::Semicolon => chain = 0,
            Kind::Word if opens(word) => depth += 1,
            Kind::Word if word.eq_ignore_ascii_case("end") => depth = depth.saturating_sub(1),
            _ if word == "[" => depth += 1,
            _ if word == "]" => depth = depth.saturating_sub(1),
            _ if word == "," => chain = 0,
            Kind::Dollar if quoted_too_deep(word) => return true,
            Kind::String if string_too_deep(word) => return true,
            _ => {}
        }
        if chain > CHAIN || depth > DEPTH || count > TOKENS {
            return true;
        }
    }
    false
}

fn opens(word: &str) -> bool {
    ["case", "begin"]
        .iter()
        .any(|opens| word.eq_ignore_ascii_case(opens))
}

/// A dollar-quoted body.
fn quoted_too_deep(word: &str) -> bool {
    let Some(tag) = word[1..].find('$').map(|end| end + 2) else {
        return false;
    };
    let end = word.len().saturating_sub(tag);
    tag <= end && too_deep(word, Span::new(tag, end))
}

/// A body in plain quotes. Doubled quotes inside are read as two strings, which nest no deeper.
fn string_too_deep(word: &str) -> bool {
    let inner = word.trim_start_matches(|first: char| first != '\'');
    let inner = inner.trim_matches('\'');
    inner.len() > CHAIN && too_deep(inner, Span::new(0, inner.len()))
}

/// Whether a statement that is too long is an INSERT of plain values, which needs no grammar: no call, no query, no
/// conflict clause.
pub fn only_values(text: &str, span: Span) -> bool {
    let mut before = "";
    let (mut values, mut depth) = (false, 0_usize);
    for (at, token) in Lexer::within(text, span)
        .filter(|token| token.is_significant())
        .enumerate()
    {
        let word = token.span.of(text);
        let keyword = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        let fits = match (at, token.kind) {
            (0, _) => keyword(&["insert"]),
            (_, Kind::Open) if values => {
                depth += 1;
                depth == 1 && !before.ends_with(|last: char| last.is_alphanumeric() || last == '"')
                    || before.eq_ignore_ascii_case("values")
            }
            (_, Kind::Close) if values => {
                depth = depth.saturating_sub(1);
                true
            }
            (_, Kind::Word) if values => keyword(&["null", "true", "false", "default"]),
            (_, Kind::Word) => {
                values = keyword(&["values"]);
                !keyword(&["select", "with", "table"])
            }
            (_, Kind::Quoted) => !values,
            _ => true,
        };
        if !fits {
            return false;
        }
        before = word;
    }
    values
}
