//! Tokens of CQL by the rules of Cassandra's Lexer.g, the same from 4.0 on.
//!
//! The lexer is total: it never fails, every byte belongs to exactly one token, and what is never closed runs to the end
//! of the text. It is linear, and it knows no statements. The kinds are coarser than the server's where nothing here
//! depends on the difference: keywords are words, and the minus of a negative number is a mark of its own.

use crate::place::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Blanks, tabs and line ends; no form feeds, which the server refuses.
    Space,
    /// `-- …` or `// …` up to, not including, the line end. A lone carriage return ends it too.
    LineComment,
    /// `/* … */`, which does not nest.
    BlockComment,
    /// An unquoted identifier or a keyword.
    Word,
    /// `"…"`.
    Quoted,
    /// `'…'`.
    String,
    /// `$$ … $$`, which has no tags.
    Dollar,
    /// A number, blob or duration.
    Number,
    /// A uuid.
    Uuid,
    /// `;`.
    Semicolon,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// A sign that CQL has besides: `,` `.` `:` `=` `<` `>` `+` `-` `*` `/` `%` `!` `?`.
    Sign,
    /// A character that CQL has nowhere outside quotes and comments.
    Stray,
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

/// A uuid, and the duration that Lexer.g calls ISO 8601's alternative format: `d` stands for a digit, `h` for a
/// hexadecimal one, anything else for itself.
const UUID: &str = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
const DURATION: &str = "Pdddd-dd-ddTdd:dd:dd";

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

    /// Goes on at `offset`, a character boundary at or behind the current one: for text that is not CQL.
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
        match (first, self.byte(at + 1)) {
            (byte, _) if is_space(byte) => (Kind::Space, self.while_from(at, is_space), false),
            (b'-', Some(b'-')) | (b'/', Some(b'/')) => {
                let end = self.while_from(at, |byte| byte != b'\n' && byte != b'\r');
                (Kind::LineComment, end, false)
            }
            (b'/', Some(b'*')) => self.until("*/", at + 2, Kind::BlockComment),
            (b'$', Some(b'$')) => self.until("$$", at + 2, Kind::Dollar),
            (b'\'', _) => self.until_undoubled('\'', at + 1, Kind::String),
            (b'"', _) => self.until_undoubled('"', at + 1, Kind::Quoted),
            (byte, _) if byte.is_ascii_alphanumeric() => self.word_or_number(byte),
            (b';', _) => (Kind::Semicolon, at + 1, false),
            (b'(' | b'[' | b'{', _) => (Kind::Open, at + 1, false),
            (b')' | b']' | b'}', _) => (Kind::Close, at + 1, false),
            (
                b',' | b'.' | b':' | b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' | b'!'
                | b'?',
                _,
            ) => (Kind::Sign, at + 1, false),
            _ => {
                let character = self.text[at..].chars().next();
                (Kind::Stray, at + character.map_or(1, char::len_utf8), false)
            }
        }
    }

    /// From behind the opening mark to behind the next closing one.
    fn until(&self, mark: &str, from: usize, kind: Kind) -> (Kind, usize, bool) {
        match self.text[from..].find(mark) {
            Some(found) => (kind, from + found + mark.len(), false),
            None => (kind, self.text.len(), true),
        }
    }

    /// From behind the opening quote; a doubled quote is one inside.
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

    fn word_or_number(&self, first: u8) -> (Kind, usize, bool) {
        let at = self.at;
        if self.follows(UUID) {
            (Kind::Uuid, at + UUID.len(), false)
        } else if self.follows(DURATION) {
            (Kind::Number, at + DURATION.len(), false)
        } else if first.is_ascii_digit() {
            (Kind::Number, self.number(), false)
        } else {
            (Kind::Word, self.while_from(at, continues_word), false)
        }
    }

    /// Whether the text goes on like this pattern.
    fn follows(&self, pattern: &str) -> bool {
        let bytes = self.text.as_bytes().get(self.at..self.at + pattern.len());
        bytes.is_some_and(|bytes| {
            let mut pairs = bytes.iter().zip(pattern.bytes());
            pairs.all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                b'h' => byte.is_ascii_hexdigit(),
                _ => *byte == wanted,
            })
        })
    }

    /// Digits, a fraction, an exponent; a word right behind them belongs to it, which takes in blobs and durations. The
    /// server refuses what makes no sense of that.
    fn number(&self) -> usize {
        let digits = |from| self.while_from(from, |byte: u8| byte.is_ascii_digit());
        let mut end = digits(self.at);
        // `[1..2]` is a range.
        if self.byte(end) == Some(b'.') && self.byte(end + 1) != Some(b'.') {
            end = digits(end + 1);
        }
        if let (Some(b'e' | b'E'), Some(b'+' | b'-'), Some(b'0'..=b'9')) =
            (self.byte(end), self.byte(end + 1), self.byte(end + 2))
        {
            end = digits(end + 2);
        }
        loop {
            end = self.while_from(end, continues_word);
            // The µ of microseconds.
            match self.text[end..].starts_with('\u{B5}') {
                true => end += '\u{B5}'.len_utf8(),
                false => return end,
            }
        }
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
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
