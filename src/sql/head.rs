//! The beginning of a statement, token by token: enough to know most statements without parsing them.

use super::Name;
use super::lexer::{Kind, Lexer, Token};
use crate::place::Span;

/// The longest beginning that is asked for: `ALTER TABLE IF EXISTS ONLY d.s.t * DETACH PARTITION d.s.p CONCURRENTLY`
/// with the UESCAPE of each name.
const LONGEST: usize = 32;

/// A name of more bytes is cut by the server (NAMEDATALEN - 1).
const NAME_BYTES: usize = 63;

/// The first significant tokens of a statement.
pub struct Head<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Head<'a> {
    /// Of the statement at `span`.
    pub fn new(text: &'a str, span: Span) -> Self {
        let tokens = significant(text, span).take(LONGEST).collect();
        Head { text, tokens }
    }

    /// All significant tokens of a statement, however long it is.
    pub fn whole(text: &'a str, span: Span) -> Self {
        let tokens = significant(text, span).collect();
        Head { text, tokens }
    }

    /// How many tokens it has.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Span of a token; empty behind the last.
    pub fn span(&self, at: usize) -> Span {
        self.tokens.get(at).map_or_else(
            || Span::new(self.text.len(), self.text.len()),
            |token| token.span,
        )
    }

    /// Kind of a token.
    pub fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// Text of a token; empty behind the last.
    pub fn text(&self, at: usize) -> &'a str {
        self.tokens
            .get(at)
            .map_or("", |token| token.span.of(self.text))
    }

    /// Text of an unquoted word, which may be a keyword; else empty.
    pub fn word(&self, at: usize) -> &'a str {
        match self.kind(at) {
            Some(Kind::Word) => self.text(at),
            _ => "",
        }
    }

    /// Whether the token is this keyword.
    pub fn is(&self, at: usize, keyword: &str) -> bool {
        self.word(at).eq_ignore_ascii_case(keyword)
    }

    /// Whether the token is one of these keywords.
    pub fn is_any(&self, at: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(at, keyword))
    }

    /// Whether these keywords stand at `at`, one after the other.
    pub fn has(&self, at: usize, keywords: &[&str]) -> bool {
        let mut numbered = keywords.iter().enumerate();
        numbered.all(|(offset, keyword)| self.is(at + offset, keyword))
    }

    /// The index behind these keywords if all of them stand at `at`, else `at`.
    pub fn behind(&self, at: usize, keywords: &[&str]) -> usize {
        match self.has(at, keywords) {
            true => at + keywords.len(),
            false => at,
        }
    }

    /// The index behind the parentheses that open at `at`, else `at`.
    pub fn behind_parentheses(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for index in at..self.len() {
            match self.kind(index) {
                Some(Kind::Open) => depth += 1,
                Some(Kind::Close) => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return if index == at { at } else { index + 1 };
            }
        }
        self.len()
    }

    /// The index of the first of this keyword.
    pub fn find(&self, keyword: &str) -> Option<usize> {
        (0..self.len()).find(|&at| self.is(at, keyword))
    }

    /// A name, qualified or not, and the index behind it. Of `database.schema.name` the database is dropped, which the
    /// server accepts only where it is the own one.
    pub fn name(&self, at: usize) -> Option<(Name, usize)> {
        let (mut name, mut at) = self.identifier(at)?;
        let mut schema = None;
        while self.text(at) == "." {
            let (part, behind) = self.identifier(at + 1)?;
            schema = Some(std::mem::replace(&mut name, part));
            at = behind;
        }
        Some((Name { schema, name }, at))
    }

    /// One identifier as the server folds, unquotes and cuts it (scansup.c's downcase_truncate_identifier, parser.c's
    /// UESCAPE), and the index behind it.
    fn identifier(&self, at: usize) -> Option<(String, usize)> {
        let text = self.text(at);
        let mut behind = at + 1;
        let mut name = match self.kind(at)? {
            Kind::Word => text.to_ascii_lowercase(),
            Kind::Quoted => {
                let inner = &text[text.find('"')? + 1..];
                let inner = inner
                    .strip_suffix('"')
                    .unwrap_or(inner)
                    .replace("\"\"", "\"");
                if text.starts_with('"') {
                    inner
                } else {
                    let mut escape = '\\';
                    if self.is(behind, "UESCAPE") {
                        escape = self.text(behind + 1).chars().nth(1)?;
                        behind += 2;
                    }
                    unescaped(&inner, escape)?
                }
            }
            _ => return None,
        };
        if name.len() > NAME_BYTES {
            let end = (0..=NAME_BYTES)
                .rev()
                .find(|&end| name.is_char_boundary(end))
                .unwrap_or(0);
            name.truncate(end);
        }
        Some((name, behind))
    }

    /// The value of a plain string constant.
    pub fn string(&self, at: usize) -> Option<String> {
        let inner = self.text(at).strip_prefix('\'')?.strip_suffix('\'')?;
        Some(inner.replace("''", "'"))
    }
}

/// The tokens of a statement that are neither space nor comment.
pub fn significant(text: &str, span: Span) -> impl Iterator<Item = Token> {
    Lexer::within(text, span).filter(|token| token.is_significant())
}

/// `\0061`, `\+000061` and `\\` of U&"…"; surrogate pairs, which the server also takes, are no name that kmig can read.
fn unescaped(inner: &str, escape: char) -> Option<String> {
    let mut name = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        if character != escape {
            name.push(character);
            continue;
        }
        let mut ahead = rest.clone();
        match ahead.next()? {
            doubled if doubled == escape => {
                name.push(escape);
                rest = ahead;
            }
            first => {
                let digits = if first == '+' { 6 } else { 4 };
                if first == '+' {
                    rest = ahead;
                }
                let code: String = rest.by_ref().take(digits).collect();
                name.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
            }
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(Option<&str>, &str, usize)>) {
        let head = Head::new(text, Span::new(0, text.len()));
        let found = head.name(0);
        let found = found
            .as_ref()
            .map(|(name, behind)| (name.schema.as_deref(), name.name.as_str(), *behind));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names() {
        check("Foo x", Some((None, "foo", 1)));
        check("ÄFoo", Some((None, "Äfoo", 1)));
        check(r#""A ""b""" ."C""#, Some((Some("A \"b\""), "C", 3)));
        check("db.s /* c */ . T", Some((Some("s"), "t", 5)));
        check(r#"U&"d\0061t\+000061\\""#, Some((None, "data\\", 1)));
        check(r#"u&"d!0061" UESCAPE '!'.x"#, Some((Some("da"), "x", 5)));
        check(r#"U&"\zz""#, None);
        check("a.", None);
        check("'a'", None);
        let long = "x".repeat(62) + "é";
        check(&long, Some((None, &"x".repeat(62), 1)));
    }
}
