//! A walk over the significant tokens of a statement, one small question at a time.

use super::act::{Column, Name};
use super::lexer::{Kind, Lexer, Token};
use crate::place::Span;

/// The words that are no names unless they are quoted: ReservedKeywords.java, and the two booleans.
const RESERVED: &str = "add allow alter and apply asc authorize batch begin by columnfamily create delete desc \
    describe drop entries execute false from full grant if in index infinity insert into is keyspace limit \
    materialized modify nan norecursive not null of on or order primary rename revoke schema select set table to \
    token true truncate unlogged update use using view where with";

/// Keywords that may name a function, and are then not folded (Parser.g's basic_unreserved_keyword).
const UNFOLDED: &str = "access aggregate aggregates all ann as called cidrs cluster clustering compact contains custom \
    datacenters default exists filtering finalfunc frozen function functions group hashed initcond input internals keys \
    keyspaces language like list login map masked mbean mbeans nologin nosuperuser only options partition password per \
    permission permissions replace returns role roles select_masked sfunc static storage stype superuser superusers \
    tables trigger tuple type types unmask unset user users values vector";

/// Where a walk stands. Copies are cheap: a try that fails costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

/// The significant tokens of the statement at `span`.
pub fn significant(text: &str, span: Span) -> Vec<Token> {
    Lexer::within(text, span)
        .filter(|token| token.is_significant())
        .collect()
}

impl<'a> Cursor<'a> {
    /// At the first of some tokens of a text.
    pub fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Cursor {
            text,
            tokens,
            at: 0,
        }
    }

    /// The text that the spans count from.
    pub fn source(&self) -> &'a str {
        self.text
    }

    /// What is left.
    pub fn rest(&self) -> &'a [Token] {
        &self.tokens[self.at..]
    }

    /// The token here.
    pub fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    /// Where the last token that was passed ends.
    pub fn behind(&self) -> usize {
        let last = self.at.checked_sub(1).map(|last| self.tokens[last]);
        last.map_or(0, |token| token.span.end)
    }

    /// Whether nothing is left.
    pub fn at_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    /// Nothing may be left.
    pub fn end(&self) -> Option<()> {
        self.at_end().then_some(())
    }

    /// The token here, passed.
    pub fn take(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// The text of the token here, passed, if it is of this kind.
    pub fn take_kind(&mut self, kind: Kind) -> Option<&'a str> {
        let token = self.peek().filter(|token| token.kind == kind)?;
        self.at += 1;
        Some(token.span.of(self.text))
    }

    /// Whether this keyword stands here.
    pub fn is(&self, keyword: &str) -> bool {
        self.peek()
            .is_some_and(|token| is_word(self.text, token, keyword))
    }

    /// Passes these keywords if all of them stand here.
    pub fn eat(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = *self;
        for keyword in keywords {
            if !ahead.is(keyword) {
                return false;
            }
            ahead.at += 1;
        }
        *self = ahead;
        true
    }

    /// Passes these keywords, which must stand here.
    pub fn expect(&mut self, keywords: &[&str]) -> Option<()> {
        self.eat(keywords).then_some(())
    }

    /// Passes a sign or bracket if it stands here.
    pub fn eat_sign(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|token| {
            matches!(token.kind, Kind::Sign | Kind::Open | Kind::Close)
                && token.span.of(self.text) == sign
        });
        self.at += usize::from(found);
        found
    }

    /// Passes a sign or bracket, which must stand here.
    pub fn expect_sign(&mut self, sign: &str) -> Option<()> {
        self.eat_sign(sign).then_some(())
    }

    /// An identifier as the server folds it.
    pub fn identifier(&mut self) -> Option<String> {
        let token = self.peek()?;
        let written = token.span.of(self.text);
        let name = match token.kind {
            Kind::Word if !is_reserved(written) => written.to_ascii_lowercase(),
            Kind::Quoted => unquoted(written, '"')?,
            _ => return None,
        };
        self.at += 1;
        Some(name)
    }

    /// A name, qualified by a keyspace or not.
    pub fn name(&mut self) -> Option<Name> {
        let first = self.identifier()?;
        Some(match self.eat_sign(".") {
            true => Name {
                keyspace: Some(first),
                name: self.identifier()?,
            },
            false => Name {
                keyspace: None,
                name: first,
            },
        })
    }

    /// The name of a function or an aggregate.
    pub fn function(&mut self) -> Option<Name> {
        let mut name = self.name()?;
        let last = self.tokens[self.at - 1];
        let written = last.span.of(self.text);
        if last.kind == Kind::Word && among(written, UNFOLDED) {
            name.name = written.to_string();
        }
        Some(name)
    }

    /// The value of a string in either kind of quotes.
    pub fn string(&mut self) -> Option<String> {
        if let Some(written) = self.take_kind(Kind::Dollar) {
            return Some(written.strip_prefix("$$")?.strip_suffix("$$")?.to_string());
        }
        unquoted(self.take_kind(Kind::String)?, '\'')
    }

    /// A role: an identifier, or a string as it stands.
    pub fn role(&mut self) -> Option<String> {
        self.string().or_else(|| self.identifier())
    }

    /// `( item , … )`, at least one.
    pub fn list<T>(&mut self, item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.expect_sign("(")?;
        let items = self.separated(",", item)?;
        self.expect_sign(")")?;
        Some(items)
    }

    /// Items with a sign between them, at least one.
    pub fn separated<T>(
        &mut self,
        sign: &str,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_sign(sign) {
            items.push(item(self)?);
        }
        Some(items)
    }

    /// One item, or several in parentheses.
    pub fn one_or_list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.peek()?.kind {
            Kind::Open => self.list(item),
            _ => Some(vec![item(self)?]),
        }
    }

    /// A type in the spelling of [`Column::kind`].
    pub fn kind(&mut self) -> Option<String> {
        if let Some(class) = self.string() {
            return Some(format!("'{class}'"));
        }
        let mut kind = self.type_word()?;
        if self.eat_sign(".") {
            kind = format!("{kind}.{}", self.type_word()?);
        }
        if !self.eat_sign("<") {
            return Some(match kind.as_str() {
                "varchar" => "text".into(),
                _ => kind,
            });
        }
        kind.push('<');
        let mut depth = 1;
        while depth > 0 {
            let token = self.peek()?;
            let written = token.span.of(self.text);
            match (token.kind, written) {
                (Kind::Sign, "<") => depth += 1,
                (Kind::Sign, ">") => depth -= 1,
                (Kind::Sign, "," | ".") | (Kind::Number | Kind::String, _) => {}
                _ => {
                    let word = self.type_word()?;
                    let qualified = kind.ends_with('.') || self.peek()?.span.of(self.text) == ".";
                    kind += match word.as_str() {
                        "varchar" if !qualified => "text",
                        word => word,
                    };
                    continue;
                }
            }
            kind += written;
            self.at += 1;
        }
        Some(kind)
    }

    /// A word of a type; quotes stay where the name needs them.
    fn type_word(&mut self) -> Option<String> {
        if self.eat(&["set"]) {
            return Some("set".into());
        }
        let quoted = self.peek()?.kind == Kind::Quoted;
        let written = self.peek()?.span.of(self.text);
        let name = self.identifier()?;
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        Some(match quoted && !plain {
            true => written.to_string(),
            false => name,
        })
    }

    /// A column with its type, and whether it is STATIC.
    pub fn column(&mut self) -> Option<Column> {
        Some(Column {
            name: self.identifier()?,
            kind: self.kind()?,
            is_static: self.eat(&["static"]),
        })
    }

    /// Passes what stands in brackets, the brackets too, and gives the tokens inside.
    pub fn brackets(&mut self) -> Option<&'a [Token]> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()?.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.checked_sub(1)?,
                _ if depth == 0 => return None,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(&self.tokens[start + 1..self.at - 1]);
            }
        }
    }

    /// Passes everything, which must not hold the beginning of another statement: a `;` may be missing.
    pub fn tail(&mut self) -> Option<()> {
        self.until(&BEGINNINGS)?;
        self.end()
    }

    /// Passes everything up to one of these reserved words outside brackets, or to the end, and gives it.
    pub fn until(&mut self, keywords: &[&str]) -> Option<&'a [Token]> {
        let start = self.at;
        while let Some(token) = self.peek() {
            if keywords.iter().any(|keyword| self.is(keyword)) {
                break;
            }
            match token.kind {
                Kind::Open => {
                    self.brackets()?;
                }
                Kind::Close => return None,
                _ => self.at += 1,
            }
        }
        Some(&self.tokens[start..self.at])
    }
}

/// Reserved words that begin a statement, and the one that begins its conditions.
pub const BEGINNINGS: [&str; 14] = [
    "alter", "apply", "begin", "create", "delete", "drop", "grant", "if", "insert", "revoke",
    "select", "truncate", "update", "use",
];

/// Whether a token is this unquoted word.
pub fn is_word(text: &str, token: Token, keyword: &str) -> bool {
    token.kind == Kind::Word && token.span.of(text).eq_ignore_ascii_case(keyword)
}

/// Whether a word is no name unless it is quoted.
pub fn is_reserved(word: &str) -> bool {
    among(word, RESERVED)
}

fn among(word: &str, words: &str) -> bool {
    words
        .split_whitespace()
        .any(|other| word.eq_ignore_ascii_case(other))
}

/// What stands between quotes, each doubled one taken once.
pub fn unquoted(written: &str, quote: char) -> Option<String> {
    let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut doubled = String::new();
    doubled.push(quote);
    doubled.push(quote);
    Some(inner.replace(&doubled, &quote.to_string()))
}
