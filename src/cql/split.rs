//! Where statements begin and end, by cqlsh's rule: at each `;` that stands outside quotes, comments and
//! BEGIN … BATCH … APPLY BATCH. What kmig adds are problems instead of guesses, and directives.

use super::lexer::{Kind, Lexer, Token};
use super::{Script, Statement, only_reads, parse};
use crate::directive::{Above, Comment, Directives};
use crate::place::{Problem, Span};

/// Splits a text into statements, each with what it does and its directives.
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
    batch: Batch,
    /// The brackets that are open.
    open: Vec<Span>,
    /// The last significant token.
    last: Token,
    /// Whether a bracket or a character in it was complained of.
    complained: bool,
}

/// How far a statement has come on the way from BEGIN to APPLY BATCH.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Batch {
    None,
    Begin,
    Kind,
    Open,
    Apply,
    Closed,
}

/// The commands of cqlsh that no server knows, or whose answer nobody would read; whether the end of the line ends them;
/// and what to write instead.
const COMMANDS: [(&str, bool, &str); 19] = [
    (
        "capture",
        true,
        "remove it: nobody reads the output of a migration",
    ),
    ("clear", true, REMOVE),
    ("cls", true, REMOVE),
    (
        "consistency",
        true,
        "remove it: consistency in [cassandra] of kmig.toml sets the level",
    ),
    (
        "copy",
        false,
        "write INSERT statements; for whole tables there are kmig export and kmig import",
    ),
    ("debug", true, REMOVE),
    (
        "desc",
        true,
        "remove it: nobody reads the output of a migration",
    ),
    (
        "describe",
        true,
        "remove it: nobody reads the output of a migration",
    ),
    ("exit", true, REMOVE),
    ("expand", true, REMOVE),
    ("help", true, REMOVE),
    ("history", true, REMOVE),
    (
        "login",
        true,
        "remove it: kmig logs in as user in [cassandra] of kmig.toml",
    ),
    ("paging", true, REMOVE),
    ("quit", true, REMOVE),
    (
        "serial",
        true,
        "remove it: consistency in [cassandra] of kmig.toml sets the level",
    ),
    (
        "show",
        true,
        "remove it: nobody reads the output of a migration",
    ),
    ("source", true, "put the statements themselves here"),
    ("tracing", true, REMOVE),
];

const REMOVE: &str = "remove it: kmig sends CQL, and has no commands of cqlsh";

impl<'a> Splitter<'a> {
    fn take(&mut self, token: Token) {
        if token.unclosed {
            self.unclosed = true;
            self.script.problems.push(unclosed(self.text, token));
        }
        match token.kind {
            Kind::Space => {}
            Kind::LineComment | Kind::BlockComment => self.comment(token),
            Kind::Semicolon => match &mut self.current {
                Some(current) if current.in_batch() => {
                    let open = current.unclosed_bracket();
                    current.extend(token);
                    self.script.problems.extend(open);
                }
                _ => self.end(Some(token)),
            },
            _ => self.significant(token),
        }
    }

    fn significant(&mut self, token: Token) {
        let word = match token.kind {
            Kind::Word => token.span.of(self.text),
            _ => "",
        };
        if let Some(current) = &self.current {
            if current.batch == Batch::Closed {
                self.problem(token.span, "a `;` is missing behind APPLY BATCH", "");
                self.end(None);
            } else if current.in_batch() && word.eq_ignore_ascii_case("BEGIN") {
                let begin = current.begin();
                self.problem(begin, NO_APPLY, APPLY);
                self.end(None);
            }
        }
        let Some(current) = &mut self.current else {
            return self.begin(token, word);
        };
        let step = current.step(word);
        if let Some(problem) = current.check(self.text, token) {
            self.script.problems.push(problem);
        }
        current.extend(token);
        if let Err(message) = step {
            let begin = current.span.start;
            self.problem(Span::new(begin, begin + "BEGIN".len()), message, BEGIN);
        }
    }

    fn begin(&mut self, token: Token, word: &str) {
        let command = COMMANDS
            .iter()
            .find(|(command, ..)| word.eq_ignore_ascii_case(command));
        if let Some((_, line, help)) = command {
            let message = format!("{} is a command of cqlsh", word.to_ascii_uppercase());
            self.problem(token.span, message, help);
            self.above.take();
            return self.skip_command(*line);
        }
        let mut current = Current {
            span: token.span,
            directives: self.above.take(),
            batch: match word.eq_ignore_ascii_case("BEGIN") {
                true => Batch::Begin,
                false => Batch::None,
            },
            open: Vec::new(),
            last: token,
            complained: false,
        };
        if word.eq_ignore_ascii_case("APPLY") {
            let message = "this APPLY ends no BEGIN BATCH";
            self.problem(token.span, message, "remove it, or write the BEGIN BATCH");
        }
        self.script.problems.extend(current.check(self.text, token));
        if token.kind == Kind::Open {
            current.open.push(token.span);
        }
        self.current = Some(current);
    }

    /// Passes over a command of cqlsh: to its `;`, or to the end of its line.
    fn skip_command(&mut self, line: bool) {
        for token in self.lexer.by_ref() {
            self.last_end = Some(token.span.end);
            let ends_line = token.kind == Kind::Space && token.span.of(self.text).contains('\n');
            if token.kind == Kind::Semicolon || line && ends_line {
                return;
            }
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

    /// Ends the current statement, at its `;` or where something else shows that it is over.
    fn end(&mut self, semicolon: Option<Token>) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        self.last_end = Some(semicolon.map_or(current.span.end, |token| token.span.end));
        if !self.unclosed {
            self.script.problems.extend(current.unclosed_bracket());
        }
        self.script.statements.push(Statement {
            span: current.span,
            act: parse(self.text, current.span),
            directives: current.directives,
        });
    }

    fn finish(mut self) -> Script {
        // What is cut short by an unclosed quote is not worth a second complaint.
        if let Some(current) = &self.current
            && current.in_batch()
            && !self.unclosed
        {
            let begin = current.begin();
            self.problem(begin, NO_APPLY, APPLY);
        }
        self.end(None);
        self.script.problems.extend(self.above.left_over());
        if let Some(at) = self.text.find('\0') {
            let problem = Problem::new(Span::new(at, at + 1), "this is a NUL byte");
            self.script
                .problems
                .push(problem.help("CQL has none; is this file UTF-8?"));
        }
        self.script.problems.sort_by_key(|problem| problem.span);
        self.script
    }

    fn problem(&mut self, span: Span, message: impl Into<String>, help: &str) {
        let problem = Problem::new(span, message);
        self.script.problems.push(match help {
            "" => problem,
            help => problem.help(help),
        });
    }
}

const NO_APPLY: &str = "this BEGIN BATCH has no APPLY BATCH";
const APPLY: &str = "end it with APPLY BATCH and a `;`";
const BEGIN: &str = "kmig knows BEGIN BATCH, BEGIN UNLOGGED BATCH and BEGIN COUNTER BATCH, each with its APPLY BATCH";

impl Current {
    fn extend(&mut self, token: Token) {
        self.span.end = token.span.end;
        self.last = token;
        if token.kind == Kind::Open {
            self.open.push(token.span);
        }
    }

    fn in_batch(&self) -> bool {
        matches!(self.batch, Batch::Open | Batch::Apply)
    }

    /// The word BEGIN.
    fn begin(&self) -> Span {
        Span::new(self.span.start, self.span.start + "BEGIN".len())
    }

    /// Goes on by one word, empty for anything else. `BATCH` and `APPLY` are reserved, so no column has them for an
    /// unquoted name.
    fn step(&mut self, word: &str) -> Result<(), &'static str> {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        self.batch = match self.batch {
            Batch::Begin if is("UNLOGGED") || is("COUNTER") => Batch::Kind,
            Batch::Begin | Batch::Kind if is("BATCH") => Batch::Open,
            Batch::Begin | Batch::Kind => {
                self.batch = Batch::None;
                return Err("this BEGIN begins no BATCH");
            }
            Batch::Apply if is("BATCH") => Batch::Closed,
            Batch::Open | Batch::Apply => match is("APPLY") {
                true => Batch::Apply,
                false => Batch::Open,
            },
            other => other,
        };
        Ok(())
    }

    /// What is wrong with a token here, apart from what is open behind it. Of each statement one complaint is enough.
    fn check(&mut self, text: &str, token: Token) -> Option<Problem> {
        let written = token.span.of(text);
        let problem = match token.kind {
            Kind::Stray if written == "\0" => None,
            Kind::Stray => Some(
                Problem::new(token.span, format!("CQL has no {written:?} here")).help(
                    "outside quotes and comments there are ASCII letters, digits and few signs",
                ),
            ),
            Kind::Close => {
                let open = self.open.pop().map_or("", |open| open.of(text));
                let fits = matches!((open, written), ("(", ")") | ("[", "]") | ("{", "}"));
                let wrong = || match open {
                    "" => Problem::new(token.span, format!("this {written} closes nothing")),
                    _ => Problem::new(token.span, format!("this {written} meets an open {open}")),
                };
                (!fits).then(wrong)
            }
            Kind::Sign if written == "?" || written == ":" && self.is_marker(text, token) => Some(
                Problem::new(token.span, "this is a bind marker")
                    .help("a migration has nobody to bind values: write the value itself"),
            ),
            _ => None,
        }?;
        let first = !std::mem::replace(&mut self.complained, true);
        first.then_some(problem)
    }

    /// A colon that stands behind a key in braces belongs to a map or a tuple of fields; any other is `:name`.
    fn is_marker(&self, text: &str, colon: Token) -> bool {
        let begins = self.last.span == colon.span;
        let in_braces = self.open.last().is_some_and(|open| open.of(text) == "{");
        let behind_value = !matches!(self.last.kind, Kind::Open | Kind::Sign);
        begins || !in_braces || !behind_value
    }

    /// Complains of the outermost bracket that is still open, and forgets them all.
    fn unclosed_bracket(&mut self) -> Option<Problem> {
        let outermost = self.open.first().copied();
        self.open.clear();
        let first = !std::mem::replace(&mut self.complained, outermost.is_some());
        let problem = |span| Problem::new(span, "this bracket is never closed");
        outermost.filter(|_| first).map(|span| {
            problem(span).help("a `;` ends the statement, also inside brackets, as in cqlsh")
        })
    }
}

/// A quote or comment that runs to the end of the text.
fn unclosed(text: &str, token: Token) -> Problem {
    let (length, what) = match token.kind {
        Kind::BlockComment => (2, "comment"),
        Kind::Dollar => (2, "$$ body"),
        Kind::Quoted => (1, "quoted name"),
        _ => (1, "string"),
    };
    let start = token.span.start;
    let end = text.len().min(start + length);
    Problem::new(
        Span::new(start, end),
        format!("this {what} is never closed"),
    )
}

#[cfg(test)]
mod tests;
