//! Where statements begin and end, by psql's own rules (psqlscan.l, mainloop.c, copy.c), with what kmig adds to them:
//! problems instead of psql's guesses, and directives.
//!
//! Tokens are streamed: apart from the statements found, a text of any size costs no memory.

use super::lexer::{Kind, Lexer, Token};
use super::{Script, Statement, class, grip, only_reads};
use crate::directive::{Above, Comment, Directives};
use crate::place::{Problem, Span};

/// Splits a text into statements, each with its class and directives.
pub fn split(text: &str) -> Script {
    let mut splitter = Splitter {
        text,
        lexer: Lexer::new(text),
        script: Script::default(),
        current: None,
        above: Above::default(),
        last_end: None,
        unclosed: false,
    };
    while let Some(token) = splitter.lexer.next() {
        splitter.take(token);
    }
    splitter.finish()
}

struct Splitter<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    script: Script,
    current: Option<Current>,
    above: Above,
    /// Behind the `;` of the last statement.
    last_end: Option<usize>,
    /// Whether the text ends inside a quote or comment.
    unclosed: bool,
}

/// The statement that is being read.
struct Current {
    span: Span,
    directives: Directives,
    depth: usize,
    outermost: Span,
    body: Body,
}

impl<'a> Splitter<'a> {
    fn take(&mut self, token: Token) {
        if token.unclosed {
            self.unclosed = true;
            self.script.problems.push(unclosed(self.text, token));
        }
        match token.kind {
            Kind::Space => {}
            Kind::LineComment | Kind::BlockComment => self.comment(token),
            Kind::Backslash => self.backslash(token),
            Kind::Semicolon => match &self.current {
                Some(current) if current.depth > 0 || current.body.depth > 0 => self.extend(token),
                _ => self.end(Some(token)),
            },
            _ => self.extend(token),
        }
    }

    fn extend(&mut self, token: Token) {
        let above = &mut self.above;
        let current = self.current.get_or_insert_with(|| Current {
            span: token.span,
            directives: above.take(),
            depth: 0,
            outermost: token.span,
            body: Body::default(),
        });
        current.span.end = token.span.end;
        match token.kind {
            Kind::Open => {
                if current.depth == 0 {
                    current.outermost = token.span;
                }
                current.depth += 1;
            }
            // Like psql, leave one too many to the server.
            Kind::Close => current.depth = current.depth.saturating_sub(1),
            Kind::Word => current.body.word(self.text, token.span, current.depth),
            _ => {}
        }
    }

    fn comment(&mut self, token: Token) {
        let comment = Comment {
            span: token.span,
            block: token.kind == Kind::BlockComment,
            inside: self.current.is_some(),
            last_end: self.last_end,
        };
        let problem = self.above.comment(self.text, comment, only_reads);
        self.script.problems.extend(problem);
    }

    /// A command of psql. Whatever it is, it takes the rest of its line, as most of psql's do.
    fn backslash(&mut self, token: Token) {
        let start = token.span.start;
        let line = &self.text[start..self.line_end(start)];
        let name_length = line[1..]
            .find(|character: char| !character.is_alphanumeric() && character != '_')
            .map_or(line.len(), |length| length + 1);
        let name = &line[..name_length];
        // pg_dump writes this pair around its output since the releases of August 2025.
        let accepted = matches!(name, "\\restrict" | "\\unrestrict");
        if accepted && self.current.is_none() {
            self.lexer.skip_to(start + line.len());
            return;
        }
        let shown: String = match name_length {
            1 => line.chars().take(2).collect(),
            _ => name.chars().take(40).collect(),
        };
        let span = Span::new(start, start + shown.len());
        let help = match shown.as_str() {
            "\\restrict" | "\\unrestrict" => "end the statement before it with `;`",
            "\\." => "it ends the data of COPY … FROM stdin, and no such data is open here",
            "\\copy" => "write COPY … FROM stdin with its data below, ended by a line `\\.`",
            "\\;" | "\\g" | "\\gx" | "\\gexec" | "\\gset" => "end the statement with `;`",
            "\\i" | "\\ir" | "\\include" => "put the statements themselves here",
            _ => {
                "kmig runs SQL; of psql's commands only \\restrict and \\unrestrict are passed over"
            }
        };
        self.script
            .problems
            .push(Problem::new(span, format!("`{shown}` is a command of psql")).help(help));
        let mut resumed = start + line.len();
        if name == "\\copy" && line.to_ascii_lowercase().contains("stdin") {
            let (data, behind) = copy_data(self.text, self.next_line(start));
            resumed = if data.is_some() { behind } else { resumed };
        } else if shown == "\\;" {
            resumed = span.end;
        }
        self.lexer.skip_to(resumed);
    }

    /// Ends the current statement, at its `;` or at the end of the text.
    fn end(&mut self, semicolon: Option<Token>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let known = class::classify(self.text, current.span);
        self.script.problems.extend(known.problems);
        self.last_end = semicolon.map(|token| token.span.end);
        let copy_data = match known.reads_stdin {
            true => self.copy_data(current.span, semicolon),
            false => None,
        };
        let grip = grip::grip(self.text, current.span, known.verb, &known.class);
        self.script.statements.push(Statement {
            span: current.span,
            grip,
            verb: known.verb,
            writes: known.writes,
            class: known.class,
            copy_data,
            directives: current.directives,
        });
    }

    /// The data of COPY … FROM stdin begin on the next line. psql would go on with the rest of this line behind the
    /// data; kmig refuses such a rest.
    fn copy_data(&mut self, statement: Span, semicolon: Option<Token>) -> Option<Span> {
        let end = semicolon.map_or(self.text.len(), |token| token.span.end);
        let line_end = self.line_end(end);
        let rest = Lexer::within(self.text, Span::new(end, line_end));
        for token in rest {
            if token.is_significant() || token.unclosed {
                let rest = Span::new(token.span.start, line_end);
                self.script.problems.push(
                    Problem::new(rest, "something follows COPY … FROM stdin on its line").help(
                        "the data begin on the next line; what follows them goes below `\\.`",
                    ),
                );
                break;
            }
            if token.kind != Kind::Space {
                self.comment(token);
            }
        }
        let (data, behind) = copy_data(self.text, self.next_line(end));
        self.lexer.skip_to(behind);
        if data.is_none() {
            self.script.problems.push(
                Problem::new(statement, "the data of this COPY … FROM stdin never end").help(
                    "write the data on the lines below the `;`, and behind them a line `\\.`",
                ),
            );
        }
        data
    }

    fn finish(mut self) -> Script {
        let open = match &self.current {
            Some(current) if current.depth > 0 => Some(
                Problem::new(current.outermost, "this parenthesis is never closed")
                    .help("a `;` inside parentheses ends no statement, as in psql"),
            ),
            Some(current) if current.body.depth > 0 => Some(
                Problem::new(current.body.outermost, "this BEGIN has no END")
                    .help("a `;` inside BEGIN … END of a function ends no statement, as in psql"),
            ),
            _ => None,
        };
        // What is cut short by an unclosed quote is not worth a second complaint.
        match open {
            _ if self.unclosed => {}
            Some(problem) => self.script.problems.push(problem),
            None => self.end(None),
        }
        self.script.problems.extend(self.above.left_over());
        if let Some(at) = self.text.find('\0') {
            let problem = Problem::new(Span::new(at, at + 1), "this is a NUL byte");
            self.script
                .problems
                .push(problem.help("Postgres takes none in a text; is this file UTF-8?"));
        }
        self.script.problems.sort_by_key(|problem| problem.span);
        self.script
    }

    fn line_end(&self, from: usize) -> usize {
        self.text[from..]
            .find('\n')
            .map_or(self.text.len(), |length| from + length)
    }

    fn next_line(&self, from: usize) -> usize {
        self.text.len().min(self.line_end(from) + 1)
    }
}

/// The data from the line at `from` up to a line `\.` (copy.c's handleCopyIn), and where the text goes on behind that
/// line; no data if there is no such line. As the server does, takes `\.` at the very end of the text for one, too.
fn copy_data(text: &str, from: usize) -> (Option<Span>, usize) {
    let mut line = from;
    while line < text.len() {
        let rest = &text[line..];
        if let Some(behind) = rest.strip_prefix("\\.") {
            let ending = ["\n", "\r\n"]
                .into_iter()
                .find(|ending| behind.starts_with(ending));
            if ending.is_some() || behind.is_empty() {
                let end = line + 2 + ending.map_or(0, str::len);
                return (Some(Span::new(from, line)), end);
            }
        }
        line = match rest.find('\n') {
            Some(length) => line + length + 1,
            None => break,
        };
    }
    (None, text.len())
}

/// A quote or comment that runs to the end of the text.
fn unclosed(text: &str, token: Token) -> Problem {
    let (mark, what) = match token.kind {
        Kind::BlockComment => ("*", "comment"),
        Kind::Quoted => ("\"", "quoted name"),
        Kind::Dollar => ("$", "dollar quote"),
        _ => ("'", "string"),
    };
    let written = token.span.of(text);
    // A dollar quote's opening ends at its second dollar.
    let from = usize::from(token.kind == Kind::Dollar);
    let length = written[from..].find(mark).map_or(1, |at| from + at + 1);
    let span = Span::new(token.span.start, token.span.start + length);
    Problem::new(span, format!("this {what} is never closed"))
}

/// psqlscan.l's `identifier_count`, `identifiers` and `begin_depth`: inside BEGIN … END of CREATE [OR REPLACE]
/// FUNCTION or PROCEDURE a `;` ends nothing. The server's bodies in SQL, BEGIN ATOMIC … END, are written so.
#[derive(Default)]
struct Body {
    words: usize,
    initials: [u8; 4],
    depth: usize,
    outermost: Span,
}

impl Body {
    fn word(&mut self, text: &str, span: Span, parentheses: usize) {
        let word = span.of(text);
        // psqlscan.l's `xufailed`: the U of a U& that opens no quote is not counted.
        if word.eq_ignore_ascii_case("u") && text[span.end..].starts_with('&') {
            return;
        }
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if let Some(initial) = self.initials.get_mut(self.words)
            && ["create", "or", "replace", "function", "procedure"]
                .into_iter()
                .any(is)
        {
            *initial = word.as_bytes()[0].to_ascii_lowercase();
        }
        self.words += 1;
        let in_routine = matches!(
            self.initials,
            [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']
        );
        if !in_routine || parentheses > 0 {
            return;
        }
        if is("begin") {
            if self.depth == 0 {
                self.outermost = span;
            }
            self.depth += 1;
        } else if is("case") && self.depth > 0 {
            self.depth += 1;
        } else if is("end") {
            self.depth = self.depth.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
