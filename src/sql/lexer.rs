//! Tokens of Postgres SQL by the rules of the server's scan.l and psql's psqlscan.l (version 16's, where they differ).
//!
//! The lexer is total: it never fails, every byte belongs to exactly one token, and what is never closed runs to the end
//! of the text. It is linear: whatever is looked at ahead of a token is looked at a bounded number of times. It knows no
//! statements, and `standard_conforming_strings` is always on (turning it off is refused elsewhere).

use crate::place::Span;

/// What a token is. Names follow scan.l; kinds that nobody tells apart are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Blanks, tabs, form feeds and line ends.
    Space,
    /// `-- …` up to, not including, the line end. As in scan.l a lone carriage return ends it too.
    LineComment,
    /// `/* … */`, which nests.
    BlockComment,
    /// An unquoted identifier or a keyword.
    Word,
    /// `"…"` or `U&"…"`.
    Quoted,
    /// `'…'` with any of the prefixes E, U&, B, X, N. Continuation lines are tokens of their own, except after E'…'.
    String,
    /// `$tag$ … $tag$`.
    Dollar,
    /// A number.
    Number,
    /// `$1`.
    Param,
    /// A run of operator characters, cut before a comment.
    Operator,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `;`.
    Semicolon,
    /// A backslash outside quotes: to psql the start of a command, to the server a mistake.
    Backslash,
    /// What has no meaning to statement boundaries: `,` `.` `..` `:` `[` `]`, a lone `$`, control characters.
    Other,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub span: Span,
    /// Whether it is a quote or a comment that the text never closes. At most the last token is.
    pub unclosed: bool,
}

impl Token {
    /// Whether the token is neither space nor comment.
    pub fn is_significant(self) -> bool {
        !matches!(
            self.kind,
            Kind::Space | Kind::LineComment | Kind::BlockComment
        )
    }
}

/// An iterator over the tokens of a text, or of a part of it.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Over the whole text.
    pub fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    /// Over a part of the text, which must begin and end on token boundaries; spans still count from the text's start.
    pub fn within(text: &'a str, part: Span) -> Self {
        Lexer {
            text: &text[..part.end],
            at: part.start,
        }
    }

    /// Offset of the next token.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Goes on at `offset`, a character boundary at or behind the current one: for text that is not SQL.
    pub fn skip_to(&mut self, offset: usize) {
        self.at = offset.max(self.at);
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn while_from(&self, at: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = &self.text.as_bytes()[at..];
        rest.iter()
            .position(|&byte| !belongs(byte))
            .map_or(self.text.len(), |length| at + length)
    }

    /// The next token's kind, its end, and whether it is unclosed.
    fn token_at(&self, first: u8) -> (Kind, usize, bool) {
        let at = self.at;
        let next = self.byte(at + 1);
        match (first, next) {
            (byte, _) if is_space(byte) => (Kind::Space, self.while_from(at, is_space), false),
            (b'-', Some(b'-')) => (Kind::LineComment, self.line_comment(at), false),
            (b'/', Some(b'*')) => self.block_comment(),
            (b'\'', _) => self.plain_string(at + 1),
            (b'e' | b'E', Some(b'\'')) => self.escape_string(at + 2),
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', Some(b'\'')) => self.plain_string(at + 2),
            (b'u' | b'U', Some(b'&')) if self.byte(at + 2) == Some(b'\'') => {
                self.plain_string(at + 3)
            }
            (b'u' | b'U', Some(b'&')) if self.byte(at + 2) == Some(b'"') => self.quoted(at + 3),
            (b'"', _) => self.quoted(at + 1),
            (b'$', _) => self.dollar(),
            (b'0'..=b'9', _) | (b'.', Some(b'0'..=b'9')) => (Kind::Number, self.number(), false),
            (b'.', Some(b'.')) => (Kind::Other, at + 2, false),
            (b'(', _) => (Kind::Open, at + 1, false),
            (b')', _) => (Kind::Close, at + 1, false),
            (b';', _) => (Kind::Semicolon, at + 1, false),
            (b'\\', _) => (Kind::Backslash, at + 1, false),
            (byte, _) if starts_word(byte) => {
                (Kind::Word, self.while_from(at, continues_word), false)
            }
            (byte, _) if is_operator(byte) => (Kind::Operator, self.operator(), false),
            _ => (Kind::Other, at + 1, false),
        }
    }

    fn line_comment(&self, at: usize) -> usize {
        self.while_from(at, |byte| byte != b'\n' && byte != b'\r')
    }

    fn block_comment(&self) -> (Kind, usize, bool) {
        let bytes = self.text.as_bytes();
        let mut depth = 1_usize;
        let mut at = self.at + 2;
        while at + 1 < bytes.len() {
            match (bytes[at], bytes[at + 1]) {
                (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
                (b'*', b'/') => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return (Kind::BlockComment, at, false);
            }
        }
        (Kind::BlockComment, bytes.len(), true)
    }

    /// From behind the opening quote. `''` is a quote; that makes one token of what scan.l reads as two B'' or X''.
    fn plain_string(&self, from: usize) -> (Kind, usize, bool) {
        self.until_undoubled('\'', from, Kind::String)
    }

    fn quoted(&self, from: usize) -> (Kind, usize, bool) {
        self.until_undoubled('"', from, Kind::Quoted)
    }

    fn until_undoubled(&self, quote: char, from: usize, kind: Kind) -> (Kind, usize, bool) {
        let mut at = from;
        while let Some(found) = self.text[at..].find(quote) {
            at += found + 1;
            if self.byte(at) != Some(quote as u8) {
                return (kind, at, false);
            }
            at += 1;
        }
        (kind, self.text.len(), true)
    }

    /// From behind the opening quote of E'…'. Its continuation on another line keeps the backslash rules (scan.l's
    /// state xqs), which is why it belongs to this token. psql reads line by line and misses that; the server does not.
    fn escape_string(&self, from: usize) -> (Kind, usize, bool) {
        let mut at = from;
        loop {
            at = self.while_from(at, |byte| byte != b'\'' && byte != b'\\');
            match self.byte(at) {
                None => return (Kind::String, self.text.len(), true),
                Some(b'\\') => {
                    let escaped = self.text[at + 1..].chars().next();
                    at += 1 + escaped.map_or(0, char::len_utf8);
                }
                Some(_) if self.byte(at + 1) == Some(b'\'') => at += 2,
                Some(_) => match self.continuation(at + 1) {
                    Some(resumed) => at = resumed,
                    None => return (Kind::String, at + 1, false),
                },
            }
        }
    }

    /// scan.l's `quotecontinue`: blanks and comments with at least one line end among them, then a quote. The offset
    /// behind that quote.
    fn continuation(&self, from: usize) -> Option<usize> {
        let mut at = from;
        let mut new_line = false;
        loop {
            match (self.byte(at)?, self.byte(at + 1)) {
                (b'\n' | b'\r', _) => (new_line, at) = (true, at + 1),
                (byte, _) if is_space(byte) => at += 1,
                (b'-', Some(b'-')) => at = self.line_comment(at),
                (b'\'', _) if new_line => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// `$1`, `$tag$…$tag$`, or a lone `$` (scan.l's `dolqfailed`).
    fn dollar(&self) -> (Kind, usize, bool) {
        let at = self.at;
        let behind = at + 1;
        if self.byte(behind).is_some_and(|byte| byte.is_ascii_digit()) {
            return (Kind::Param, self.junk(self.digits(behind)), false);
        }
        let tag = match self.byte(behind) {
            Some(byte) if starts_word(byte) => {
                self.while_from(behind, |byte| continues_word(byte) && byte != b'$')
            }
            _ => behind,
        };
        if self.byte(tag) != Some(b'$') {
            return (Kind::Other, behind, false);
        }
        let delimiter = &self.text[at..=tag];
        match self.text[tag + 1..].find(delimiter) {
            Some(found) => (Kind::Dollar, tag + 1 + found + delimiter.len(), false),
            None => (Kind::Dollar, self.text.len(), true),
        }
    }

    /// Hexadecimal digits, digits behind an underscore and an exponent without sign look like a word right behind a
    /// number, so `junk` takes them in.
    fn number(&self) -> usize {
        let mut end = self.digits(self.at);
        // `1..2` is two integers around `..`.
        if self.byte(end) == Some(b'.') && self.byte(end + 1) != Some(b'.') {
            end = self.digits(end + 1);
        }
        if let (Some(b'e' | b'E'), Some(b'+' | b'-')) = (self.byte(end), self.byte(end + 1)) {
            // Without digits this is `realfail`, which keeps the sign: `1e--x` holds no comment.
            let exponent = self.digits(end + 2);
            if exponent == end + 2 {
                return exponent;
            }
            end = exponent;
        }
        self.junk(end)
    }

    fn digits(&self, from: usize) -> usize {
        self.while_from(from, |byte| byte.is_ascii_digit())
    }

    /// scan.l's `integer_junk` and its kin: a word right behind a number belongs to it; the server refuses what makes no
    /// number.
    fn junk(&self, at: usize) -> usize {
        match self.byte(at) {
            Some(byte) if starts_word(byte) => self.while_from(at, continues_word),
            _ => at,
        }
    }

    /// scan.l's `operator`, which stops before `--` and `/*`. scan.l then takes trailing `+` and `-` off most operators,
    /// by looking at each run again and again; since that moves no boundary of a statement, it is left out here.
    fn operator(&self) -> usize {
        let mut end = self.at + 1;
        while let Some(byte) = self.byte(end).filter(|&byte| is_operator(byte)) {
            if matches!(
                (byte, self.byte(end + 1)),
                (b'-', Some(b'-')) | (b'/', Some(b'*'))
            ) {
                break;
            }
            end += 1;
        }
        end
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let first = self.byte(self.at)?;
        let (kind, end, unclosed) = self.token_at(first);
        let span = Span::new(self.at, end);
        self.at = end;
        Some(Token {
            kind,
            span,
            unclosed,
        })
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// scan.l's `ident_start`: letters, the underscore, and every byte above ASCII.
fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// scan.l's `ident_cont`, with `$`: in `a$b$c` there is no quote.
fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

#[cfg(test)]
mod tests;
